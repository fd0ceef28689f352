//! Programs that are killed (SIGKILL) at random moments and started again.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::seed;
use s4_core::state_dict::StateDict;
use training::checkpoint::Checkpoint;
use training::run_dir::{best_checkpoint, last_checkpoint};

/// How often something is killed: `usually` so many times, or as `make kills` says.
pub fn kills(usually: u64) -> u64 {
    env::var("S4_KILLS").map_or(usually, |kills| kills.parse().expect("S4_KILLS is a number"))
}

/// The moment of a kill within `span`, the same in every run of the tests.
pub fn moment(span: Duration, number: u64) -> Duration {
    span.mul_f64(seed::derive(0, "kills", number) as f64 / 2f64.powi(64))
}

/// A program that runs, and what it says.
pub type Running = (Child, BufReader<ChildStderr>);

/// Starts `command`, which runs on for as long as `after` says once it has written a line with `mark`.
fn run(command: &mut Command, mark: &str, after: impl FnOnce() -> Duration) -> Running {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(mark) {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before \"{mark}\"");
    }
    thread::sleep(after());
    (child, stderr)
}

/// Kills a program; `false` if it had ended by itself just before.
pub fn kill((mut child, mut stderr): Running) -> bool {
    let _ = child.kill();
    let was_killed = child.wait().unwrap().signal() == Some(9);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("error: ") && !rest.contains("panicked"), "{rest}");
    was_killed
}

/// What every training says right before its first step.
const BEGINS: &str = " training samples, ";

/// Until a training has written its first checkpoint.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills trainings in `folder` as often as `kills` says, resumes them, kills them again; all of
/// them must come to the bits of one that was left alone. `start` begins a run of that name, and `kill`
/// ends one, as [`kill`] does.
pub fn assert_training_survives(
    folder: &Path,
    kills: u64,
    start: impl Fn(&str) -> Command,
    resume: impl Fn(&str) -> Command,
    kill: impl Fn(Running) -> bool,
) {
    assert!(start("whole").output().unwrap().status.success());
    let whole = folder.join("whole");
    let end = Checkpoint::load(&last_checkpoint(&whole)).unwrap().meta.state;
    // A run is killed about eight times until it comes to its end.
    let span = Duration::from_secs_f64(end.seconds / 4.0);

    let (mut hits, mut runs) = (0, 0);
    let mut left: Option<String> = None;
    let complete = |run: String| {
        let output = resume(&run).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_same(&whole, &folder.join(run));
    };
    for number in 0..kills {
        let (name, mut command) = match left.take() {
            Some(name) => {
                let command = resume(&name);
                (name, command)
            }
            None => {
                runs += 1;
                let name = format!("killed-{runs}");
                let command = start(&name);
                (name, command)
            }
        };
        let checkpoint = last_checkpoint(&folder.join(&name));
        let after = || {
            // One in eight may come before there is a checkpoint, however slow the machine.
            let begin = Instant::now();
            while number % 8 != 7 && !checkpoint.exists() && begin.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(5));
            }
            moment(span, number)
        };
        let was_killed = kill(run(&mut command, BEGINS, after));
        let step = Checkpoint::load(&checkpoint).map(|checkpoint| checkpoint.meta.state.step);
        match step {
            // All steps are made: what was left is the evaluation.
            Ok(step) if step == end.step => complete(name),
            _ => {
                assert!(was_killed);
                hits += u64::from(step.is_ok());
                left = Some(name);
            }
        }
    }
    if let Some(name) = left {
        complete(name);
    }
    let said = format!("{hits} of {kills} kills hit a running training, in {runs} runs");
    assert!(5 * hits >= 4 * kills, "{said}");
    // Past the test harness, which shows nothing of tests that pass.
    program::output::note(said);
}

/// Kills runs that fill a cache, and asserts that what is half-written does not count. `start` begins
/// a run of that name with a cache of that name; it fills it in the first `share` of its time.
pub fn assert_cache_survives(folder: &Path, share: f64, start: impl Fn(&str, &str) -> Command) {
    let begin = Instant::now();
    let output = start("whole", "cache-1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let span = begin.elapsed().mul_f64(share);
    for number in 0..kills(5).div_ceil(2) {
        let run = format!("killed-{number}");
        kill(self::run(&mut start(&run, "cache-2"), "device: ", || moment(span, number)));
    }
    let output = start("last", "cache-2").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same(&folder.join("whole"), &folder.join("last"));
}

/// Asserts that two runs hold the same bits, apart from the time that they took.
#[track_caller]
pub fn assert_same(a: &Path, b: &Path) {
    for path in [last_checkpoint, best_checkpoint] {
        let (a, b) = (Checkpoint::load(&path(a)).unwrap(), Checkpoint::load(&path(b)).unwrap());
        let mut state = b.meta.state;
        state.seconds = a.meta.state.seconds;
        assert_eq!(a.meta.state, state);
        let bytes = |dict: &StateDict| dict.to_safetensors(&[]).unwrap();
        for (part, a, b) in [
            ("weights", &a.model, &b.model),
            ("optimiser", &a.optimizer, &b.optimizer),
            ("meters", &a.meters, &b.meters),
            ("carried", &a.carried, &b.carried),
        ] {
            assert!(bytes(a) == bytes(b), "the {part} differ");
        }
        assert_eq!(a.ema.map(|ema| bytes(&ema)), b.ema.map(|ema| bytes(&ema)));
    }
}
