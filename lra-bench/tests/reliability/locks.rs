//! Two processes that want the same run.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::binary::{fail, lra_bench, succeed};
use crate::training::{ENDLESS, start, train};

#[test]
fn a_run_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (mut first, _stderr) = start(&mut train(path, "run", ENDLESS));
    let holder = format!("another process (id {}) is working on run", first.id());
    let resume = ["train", "--resume", "run", "--device", "cpu", "--max-steps", "8"];
    fail(lra_bench(path).args(resume), 1, &[&holder, "wait for it or end it"]);
    fail(&mut train(path, "run", 8), 1, &["holds a run already"]);
    // Killed, it holds nothing up.
    first.kill().unwrap();
    first.wait().unwrap();
    succeed(lra_bench(path).args(resume));
}

/// Where the kernel's locks do not reach other machines, `.lock` says who has the run.
#[test]
fn another_machine_has_a_run_until_it_has_been_silent_for_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 4));
    let lock = path.join("run/.lock");
    assert!(!lock.exists(), "a run that ended is free");
    fs::write(&lock, "7 elsewhere another-kernel\n").unwrap();
    let resume = ["train", "--resume", "run", "--device", "cpu", "--max-steps", "8"];
    let words = ["process 7 on elsewhere is working on run", "the same command goes on in"];
    fail(lra_bench(path).args(resume), 1, &words);
    let file = fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    succeed(lra_bench(path).args(resume));
}
