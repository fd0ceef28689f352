//! One process at a time in a folder.
//!
//! `.lock` in the folder names its holder. On one machine the kernel keeps the lock, and gives it
//! back however its holder ends. Not every network file system passes it on to other machines, so
//! the holder also renews the file's time: a lock of another machine counts for a minute after it
//! was renewed last.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};

use super::cannot;

const FILE: &str = ".lock";
/// For how long the lock of another machine counts.
const LEASE: Duration = Duration::from_secs(60);
const RENEWED_EVERY: Duration = Duration::from_secs(10);

/// A folder that is this process's alone until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    holder: Holder,
    renewal: Renewal,
}

impl Lock {
    /// Takes the lock of `folder`.
    ///
    /// # Errors
    /// If another process has it, with what to do; if it cannot be written.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let holder = Holder::this();
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(cannot("write", &path))?;
            let locked = file.try_lock();
            let before = Holder::of(&path);
            if let Err(TryLockError::WouldBlock) = locked {
                let id = before.map_or_else(|| "unknown".to_owned(), |before| before.process);
                bail!(
                    "another process (id {id}) is working on {}; wait for it or end it",
                    folder.display()
                );
            }
            // A holder that ended just now removed the file that was opened here.
            if locked.is_ok() && !is_at(&file, &path) {
                continue;
            }
            // The kernel's word is enough about its own machine, where it has one.
            if let Some(before) = &before
                && (locked.is_err() || before.machine != holder.machine)
                && let Some(age) = age(&file)
                && age < LEASE
            {
                bail!(
                    "process {} on {} is working on {}, or was {} s ago; wait for it or end it. If \
                     it ended without a word, the same command goes on in {} s",
                    before.process,
                    before.host,
                    folder.display(),
                    age.as_secs(),
                    (LEASE - age).as_secs() + 1
                );
            }
            file.set_len(0)
                .and_then(|()| file.write_all(holder.to_string().as_bytes()))
                .map_err(cannot("write", &path))?;
            return Ok(Self { path, holder, renewal: Renewal::start(file) });
        }
    }

    /// Makes sure that no other process took the folder over, as one on another machine may while
    /// this one is suspended.
    ///
    /// # Errors
    /// If one did.
    pub fn check(&self) -> Result<()> {
        if let Some(other) = Holder::of(&self.path) {
            ensure!(
                other == self.holder,
                "process {} on {} has taken over {}: this one was suspended, or out of reach, for \
                 too long",
                other.process,
                other.host,
                super::folder_of(&self.path).display()
            );
        }
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the kernel's lock goes, so that no newer holder's file is removed.
        if Holder::of(&self.path).as_ref() == Some(&self.holder) {
            let _ = fs::remove_file(&self.path);
        }
        self.renewal.stop();
    }
}

/// Who has a lock: one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    process: String,
    host: String,
    /// Names a running kernel. Containers have host names of their own, but one kernel.
    machine: String,
}

impl Holder {
    fn this() -> Self {
        let host = gethostname::gethostname().to_string_lossy().replace(char::is_whitespace, "-");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let machine = boot.map_or_else(|_| host.clone(), |id| id.trim().to_owned());
        Self { process: process::id().to_string(), host, machine }
    }

    /// The one in the file at `path`; none where there is no file, or one without a holder.
    fn of(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace().map(str::to_owned);
        Some(Self { process: words.next()?, host: words.next()?, machine: words.next()? })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} {}", self.process, self.host, self.machine)
    }
}

/// The thread that renews a lock's time.
#[derive(Debug)]
struct Renewal {
    /// Dropped, it ends the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    fn start(file: File) -> Self {
        let (alive, gone) = channel();
        let renew = move || {
            while gone.recv_timeout(RENEWED_EVERY) == Err(RecvTimeoutError::Timeout) {
                // What fails once may succeed the next time; there are a few within a lease.
                let _ = file.set_modified(SystemTime::now());
            }
        };
        // Without the thread, the kernel's lock is left, which ends with it.
        let thread = thread::Builder::new().name("lock".to_owned()).spawn(renew).ok();
        Self { alive: Some(alive), thread }
    }

    fn stop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long ago the lock was renewed; a clock that is behind makes it no older.
fn age(file: &File) -> Option<Duration> {
    let renewed = file.metadata().and_then(|found| found.modified()).ok()?;
    Some(SystemTime::now().duration_since(renewed).unwrap_or_default())
}

/// Whether `path` is still the name of `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let inode = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => inode(file) == inode(path),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_of(folder: &Path, holder: &str, renewed: SystemTime) {
        let file = File::create(folder.join(FILE)).unwrap();
        fs::write(folder.join(FILE), holder).unwrap();
        file.set_modified(renewed).unwrap();
    }

    #[test]
    fn a_second_holder_is_refused_and_the_next_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        // The kernel's lock belongs to the open file, so a second opening here stands for another
        // process.
        let message = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("(id {})", process::id())), "{message}");
        held.check().unwrap();
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_process_of_this_machine_left_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let killed = Holder { process: "1".to_owned(), ..Holder::this() };
        lock_of(folder.path(), &killed.to_string(), SystemTime::now());
        let lock = Lock::take(folder.path()).unwrap();
        assert_eq!(Holder::of(&folder.path().join(FILE)), Some(lock.holder.clone()));
    }

    #[test]
    fn another_machine_counts_for_a_minute_and_may_take_over_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let other = "7 elsewhere another-kernel\n";
        lock_of(folder.path(), other, SystemTime::now() - LEASE / 2);
        let message = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(message.contains("process 7 on elsewhere") && message.contains(" s"), "{message}");
        lock_of(folder.path(), other, SystemTime::now() - LEASE);
        let lock = Lock::take(folder.path()).unwrap();
        lock.check().unwrap();
        fs::write(folder.path().join(FILE), other).unwrap();
        let message = lock.check().unwrap_err().to_string();
        assert!(message.contains("process 7 on elsewhere has taken over"), "{message}");
        drop(lock);
        assert!(folder.path().join(FILE).exists(), "the lock of another is left alone");
    }
}
