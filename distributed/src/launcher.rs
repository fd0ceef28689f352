//! Several processes of this program on this machine, started and watched by one.
//!
//! They meet on the loopback interface, at a socket that is bound before the first of them starts: two
//! launchers never meet. Rank 0 has the launcher's output; what the others say is kept back, and told
//! only if one of them is the cause of an end. Signals are passed on to all.

use std::env;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use program::exit::{Exit, INTERRUPTED};
use program::machine;
use program::output::note;

use crate::place::{LAUNCHED, LISTENER};

/// Exit code by which a process tells the launcher that it lost another one.
pub const LOST: u8 = 3;

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the others may take to end after one has failed.
const GRACE: Duration = Duration::from_secs(3);

/// The last signal that came and was not passed on yet; 0: none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Runs this program `count` times with the same arguments, as the ranks of one run, which wait for
/// each other for at most `timeout`. The end of one that failed is the end of all.
///
/// # Errors
/// If they cannot be started.
pub fn launch(count: usize, timeout: Duration) -> Result<Exit> {
    listen_for_signals();
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("there is no socket on the loopback interface for the processes to meet at")?;
    let mut ranks = Vec::new();
    for rank in 0..count {
        let started = Rank::start(rank, count, &socket)
            .with_context(|| format!("cannot start process {} of {count}", rank + 1));
        match started {
            Ok(rank) => ranks.push(rank),
            Err(error) => {
                ranks.iter_mut().for_each(Rank::kill);
                return Err(error);
            }
        }
    }
    drop(socket);
    Ok(watch(&mut ranks, timeout))
}

/// One of the processes.
struct Rank {
    number: usize,
    child: Child,
    /// Reads what it says.
    words: Option<JoinHandle<Vec<u8>>>,
    end: Option<ExitStatus>,
    is_silent: bool,
}

impl Rank {
    fn start(number: usize, count: usize, socket: &TcpListener) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(env::args_os().skip(1));
        let port = socket.local_addr()?.port();
        let variables = [
            ("RANK", number.to_string()),
            ("LOCAL_RANK", number.to_string()),
            ("WORLD_SIZE", count.to_string()),
            ("LOCAL_WORLD_SIZE", count.to_string()),
            ("MASTER_ADDR", Ipv4Addr::LOCALHOST.to_string()),
            ("MASTER_PORT", port.to_string()),
            (LAUNCHED, "1".to_owned()),
        ];
        command.envs(variables);
        if env::var_os("OMP_NUM_THREADS").is_none() {
            command.env("OMP_NUM_THREADS", (machine::cores() / count).max(1).to_string());
        }
        // What c10d warns of is an error here, told once.
        if env::var_os("TORCH_CPP_LOG_LEVEL").is_none() {
            command.env("TORCH_CPP_LOG_LEVEL", "ERROR");
        }
        let inherited = (number == 0).then(|| socket.as_raw_fd());
        if let Some(socket) = inherited {
            command.env(LISTENER, socket.to_string());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        }
        // SAFETY: plain system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                if let Some(socket) = inherited {
                    libc::fcntl(socket, libc::F_SETFD, 0);
                }
                // None outlives the launcher, however that ends.
                #[cfg(target_os = "linux")]
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let words = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut words = Vec::new();
                let _ = stderr.read_to_end(&mut words);
                words
            })
        });
        Ok(Self { number, child, words, end: None, is_silent: false })
    }

    /// Whether it has ended.
    fn has_ended(&mut self) -> bool {
        if self.end.is_none() {
            self.end = self.child.try_wait().ok().flatten();
        }
        self.end.is_some()
    }

    fn signal(&self, signal: i32) {
        if self.end.is_none() {
            // SAFETY: a child that was not waited for, so its number is still its own.
            unsafe { libc::kill(self.child.id() as i32, signal) };
        }
    }

    /// Ends it at once.
    fn kill(&mut self) {
        let _ = self.child.kill();
        self.end = self.child.wait().ok();
    }

    fn code(&self) -> Option<i32> {
        self.end.and_then(|end| end.code())
    }

    /// What it said of its end.
    fn error(&mut self) -> Option<String> {
        let words = self.words.take()?.join().ok()?;
        let words = String::from_utf8_lossy(&words).into_owned();
        let begin = words.rfind("error: ")?;
        Some(words[begin + "error: ".len()..].trim().to_owned())
    }
}

/// Waits until all have ended, and tells what came of it.
fn watch(ranks: &mut [Rank], timeout: Duration) -> Exit {
    // In the order of their ends.
    let mut ended: Vec<usize> = Vec::new();
    let mut until: Option<Instant> = None;
    while ended.len() < ranks.len() {
        let signal = SIGNAL.swap(0, Ordering::Relaxed);
        if signal != 0 {
            ranks.iter().for_each(|rank| rank.signal(signal));
        }
        for (number, rank) in ranks.iter_mut().enumerate() {
            if !ended.contains(&number) && rank.has_ended() {
                ended.push(number);
                let is_well =
                    matches!(rank.code(), Some(0)) || rank.code() == Some(i32::from(INTERRUPTED));
                let left = Instant::now() + if is_well { timeout } else { GRACE };
                until = Some(until.map_or(left, |until| until.min(left)));
            }
        }
        if until.is_some_and(|until| Instant::now() > until) {
            for (number, rank) in ranks.iter_mut().enumerate() {
                if !ended.contains(&number) {
                    rank.kill();
                    rank.is_silent = true;
                    ended.push(number);
                }
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    if let Some(code) = ranks[0].code()
        && ranks.iter().all(|rank| rank.code() == Some(code))
        && code != i32::from(LOST)
    {
        return Exit::Told(code as u8);
    }
    Exit::Told(tell(ranks, &ended, timeout))
}

/// Tells in one message why not all came to a good end, unless rank 0 did; returns the exit code.
fn tell(ranks: &mut [Rank], ended: &[usize], timeout: Duration) -> u8 {
    let stopped = "the other processes have stopped; go on from the last checkpoint with --resume";
    let name = |rank: &Rank| format!("rank {} (process {})", rank.number, rank.child.id());
    if let Some(rank) = ranks
        .iter()
        .find(|rank| !rank.is_silent && rank.end.is_some_and(|end| end.signal().is_some()))
    {
        let signal = rank.end.and_then(|end| end.signal()).unwrap_or_default();
        note(format_args!("error: {} was ended by signal {signal}; {stopped}", name(rank)));
        return 1;
    }
    if let Some(code @ (1 | 2)) = ranks[0].code() {
        return code as u8; // It has told why.
    }
    let failed =
        |rank: &Rank| matches!(rank.code(), Some(code) if code != 0 && code != i32::from(LOST));
    let first = ended.iter().copied().find(|&number| failed(&ranks[number]));
    if let Some(number) =
        first.filter(|&number| ranks[number].code() != Some(i32::from(INTERRUPTED)))
    {
        let rank = &mut ranks[number];
        let code = rank.code().unwrap_or(1);
        let why = rank.error().unwrap_or_else(|| format!("it ended with code {code}"));
        note(format_args!("error: {}: {why}; {stopped}", name(rank)));
        return 1;
    }
    if let Some(rank) = ranks.iter().find(|rank| rank.is_silent) {
        let seconds = timeout.as_secs_f64();
        note(format_args!("error: {} did not answer for {seconds} s; {stopped}", name(rank)));
        return 1;
    }
    note(format_args!("error: the processes lost each other; {stopped}"));
    1
}

/// Lets signals be passed on rather than end this process. Those that were ignored stay ignored, as under
/// `nohup`.
fn listen_for_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler stores a number.
        unsafe {
            if libc::signal(signal, handler) == libc::SIG_IGN {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    SIGNAL.store(signal, Ordering::Relaxed);
}
