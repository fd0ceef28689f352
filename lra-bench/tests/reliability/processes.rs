//! One run by several processes.

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use program::output::note;

use crate::binary::{fail, lra_bench, mnist, run, succeed, train_small};
use crate::curves::{assert_same_curve, assert_same_figures};
use crate::kills::{Running, assert_same, assert_training_survives, kills, moment};
use crate::training::{ENDLESS, saved_step, send, start, train};

/// Everything that goes beyond single rows of a batch, in double precision.
const SETTINGS: [&str; 14] = [
    "model.d_model=8",
    "model.n_layers=2",
    "model.layer.ssm.d_state=8",
    "model.norm=batch",
    "model.dropout=0.1",
    "train.precision=float64",
    "train.batch_size=7", // parts of unequal size
    "train.eval_batch_size=9",
    "train.accumulate=2",
    "train.log_every=1",
    "train.eval_every=3",
    "train.checkpoint_every=4",
    "train.ema=0.9",
    "train.optimizer.clip_norm=0.5",
];

fn smnist(folder: &Path, run: &str, steps: u32) -> Command {
    let mut command = train_small(folder, "smnist", &SETTINGS);
    command.args(["--run-dir", run, "--max-steps", &steps.to_string()]).arg("--data").arg(mnist());
    command
}

/// Expressions of different lengths.
fn listops(folder: &Path, run: &str, steps: u32) -> Command {
    let mut command = train_small(folder, "listops", &SETTINGS);
    for setting in ["data.count=60", "data.eval_count=20", "data.lengths=[10, 40]"] {
        command.args(["--set", setting]);
    }
    command.args(["--run-dir", run, "--max-steps", &steps.to_string()]);
    command
}

fn by(processes: u32, command: &mut Command) -> &mut Command {
    command.args(["--processes", &processes.to_string(), "--timeout", "60"])
}

fn resume(folder: &Path, run: &str, steps: u32) -> Command {
    let mut command = lra_bench(folder);
    command.args(["train", "--resume", run, "--device", "cpu", "--max-steps", &steps.to_string()]);
    command
}

#[test]
fn several_processes_learn_as_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (task, start) in
        [("smnist", smnist as fn(&Path, &str, u32) -> Command), ("listops", listops)]
    {
        succeed(&mut start(path, task, 4));
        for processes in [2, 4] {
            let run = format!("{task}-{processes}");
            let (said, stderr) = succeed(by(processes, &mut start(path, &run, 4)));
            assert!(said.starts_with(&format!("{run}  test: loss")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(stderr.contains(&format!("{processes} processes, each with")), "{stderr}");
            assert_same_curve(&path.join(&run), &path.join(task));
        }
    }
}

#[test]
fn changes_of_low_rank_are_learned_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut smnist(path, "base", 1));
    // An average of the weights would have another rank.
    let settings = SETTINGS.into_iter().filter(|setting| !setting.starts_with("train.ema"));
    let settings: Vec<&str> = settings.collect();
    for processes in [1, 2] {
        let mut command = train_small(path, "smnist", &settings);
        command.arg("--data").arg(mnist()).args(["--init-from", "base", "--adapt", "lora"]);
        command.args(["--run-dir", &format!("by-{processes}"), "--max-steps", "3"]);
        succeed(by(processes, &mut command));
    }
    assert_same_curve(&path.join("by-2"), &path.join("by-1"));
}

#[test]
fn a_run_goes_on_with_another_number_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut smnist(path, "whole", 6));
    for processes in [1, 4] {
        let run = format!("by-{processes}");
        succeed(by(2, &mut smnist(path, &run, 3)));
        succeed(by(processes, &mut resume(path, &run, 6)));
        let record = fs::read_to_string(path.join(&run).join("run.json")).unwrap();
        assert!(record.contains("\"processes\": 2"), "{record}");
        assert_same_curve(&path.join(run), &path.join("whole"));
    }
}

/// With `train.shards`, to the last bit.
#[test]
fn shards_learn_the_same_bits_whoever_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (task, precision, start) in [
        ("smnist", "float32", smnist as fn(&Path, &str, u32) -> Command),
        ("listops", "float64", listops),
    ] {
        let start = |run: &str, steps, processes| {
            let mut command = start(path, run, steps);
            let precision = format!("train.precision={precision}");
            for setting in
                ["train.shards=4", "train.eval_every=2", "train.schedule.total_steps=400"]
            {
                command.args(["--set", setting]);
            }
            succeed(by(processes, command.args(["--set", &precision]))).1
        };
        let [one, others] = ["one", "others"].map(|who| format!("{task}-{who}"));
        let said = start(&one, 4, 1);
        assert_eq!(said.matches("4 shards on one process").count(), 1, "{said}");
        assert_eq!(said.matches("training samples").count(), 1, "{said}");
        start(&others, 2, 2);
        succeed(by(4, &mut resume(path, &others, 4)));
        assert_same_figures(&path.join(&others), &path.join(&one));
        assert_same(&path.join(&others), &path.join(&one));
    }
}

/// A training by several processes that has begun, with the ids of those.
fn endless(folder: &Path, run: &str, processes: u32, timeout: &str) -> (Child, Vec<u32>, Stderr) {
    let mut command = train(folder, run, ENDLESS);
    command.args(["--processes", &processes.to_string(), "--timeout", timeout]);
    let (child, stderr) = start(&mut command);
    let ranks = children(child.id());
    assert_eq!(ranks.len(), processes as usize);
    (child, ranks, stderr)
}

type Stderr = std::io::BufReader<std::process::ChildStderr>;

/// In the order of their ranks.
fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn rest(mut stderr: Stderr) -> String {
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    text
}

/// Whether there was such a process.
fn signal(process: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &process.to_string()]).stderr(Stdio::null());
    kill.status().unwrap().success()
}

fn wait(child: &mut Child, most: Duration) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(begin.elapsed() < most, "it still runs after {most:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// In a resumed run's own words.
#[track_caller]
fn assert_goes_on(folder: &Path, run: &str) {
    let step = saved_step(&folder.join(run)).unwrap_or(0) + 2;
    succeed(&mut resume(folder, run, step as u32));
    assert_eq!(saved_step(&folder.join(run)), Some(step));
}

#[test]
fn a_process_that_is_killed_or_silent_ends_all_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for number in 0..kills(5).div_ceil(5) {
        for (how, name, words) in
            [("KILL", "killed", "ended by signal 9"), ("STOP", "silent", "did not answer for 2 s")]
        {
            let run = format!("{name}-{number}");
            let (mut child, ranks, stderr) = endless(path, &run, 3, "2");
            thread::sleep(moment(Duration::from_millis(600), number));
            let rank = (number as usize + 1) % 3;
            assert!(signal(ranks[rank], how));
            assert_eq!(wait(&mut child, Duration::from_secs(20)), Some(1), "{run}");
            let text = rest(stderr);
            assert_eq!(text.matches("error").count(), 1, "{text}");
            let expected = format!("error: rank {rank} (process {}) ", ranks[rank]);
            assert!(text.contains(&expected) && text.contains(words), "{text}");
            assert!(
                ranks.iter().all(|id| !fs::exists(format!("/proc/{id}")).unwrap()),
                "one is left"
            );
            assert_goes_on(path, &run);
        }
    }
}

/// Kills one of two processes at random moments; what they saved is what a run that was left alone has.
#[test]
fn killed_ranks_end_the_others_and_resume_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let by_two = |mut command: Command| {
        command.args(["--processes", "2", "--timeout", "60"]);
        command
    };
    let (number, slowest) = (Cell::new(0), Cell::new(Duration::ZERO));
    let kill = |(mut child, stderr): Running| {
        let ranks = children(child.id());
        let rank = number.replace(number.get() + 1) % 2;
        let begin = Instant::now();
        ranks.get(rank).map(|&id| signal(id, "KILL"));
        // They may have ended by themselves just before.
        let was_killed = wait(&mut child, Duration::from_secs(20)) != Some(0);
        slowest.set(slowest.get().max(begin.elapsed()));
        assert!(ranks.iter().all(|id| !fs::exists(format!("/proc/{id}")).unwrap()), "one is left");
        let text = rest(stderr);
        let told = text.matches(&format!("error: rank {rank} ")).count();
        assert_eq!((told, text.matches("error").count()), (was_killed.into(), told), "{text}");
        was_killed
    };
    let start = |run: &str| by_two(train(path, run, 150));
    let again = |run: &str| by_two(resume(path, run, 150));
    assert_training_survives(path, kills(2), start, again, kill);
    note(format_args!("the others ended within {:.2?}", slowest.get()));
}

#[test]
fn requests_to_end_reach_all_and_none_outlives_the_launcher() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["INT", "TERM", "HUP"] {
        let (mut child, _, stderr) = endless(path, name, 2, "60");
        send(&child, &[name]);
        assert_eq!(wait(&mut child, Duration::from_secs(30)), Some(130));
        let text = rest(stderr);
        assert_eq!(text.matches("everything is saved").count(), 1, "{text}");
        assert_eq!(text.matches("ending in good order").count(), 1, "{text}");
        assert!(!text.contains("error"), "{text}");
    }
    // One process alone is asked, as a cluster does: all end, at the same step.
    let (mut child, ranks, stderr) = endless(path, "one", 2, "60");
    assert!(signal(ranks[1], "TERM"));
    assert_eq!(wait(&mut child, Duration::from_secs(30)), Some(130), "{}", rest(stderr));
    assert_goes_on(path, "one");

    let (mut child, ranks, _stderr) = endless(path, "orphans", 2, "60");
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = Instant::now();
    while ranks
        .iter()
        .any(|id| !fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default().is_empty())
    {
        assert!(begin.elapsed() < Duration::from_secs(20), "one outlived the launcher");
        thread::sleep(Duration::from_millis(20));
    }
    assert_goes_on(path, "orphans");
}

#[test]
fn two_runs_on_one_machine_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = |run: &str| {
        let mut command = smnist(path, run, 3);
        by(2, &mut command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start("a"), start("b")] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_same_curve(&path.join("a"), &path.join("b"));
    // Nor may they have one run.
    let (mut first, ..) = endless(path, "one", 2, "60");
    fail(by(2, &mut resume(path, "one", 9)), 1, &["is working on one"]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn what_several_processes_cannot_do_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let words = ["train.batch_size is 7, and there are 8 processes"];
    fail(by(8, &mut smnist(path, "run", 3)), 1, &words);
    assert!(!path.join("run/config.toml").exists());
    fail(smnist(path, "run", 3).args(["--processes", "2", "--seeds", "1,2"]), 2, &["--seeds"]);
    let mut command = smnist(path, "run", 3);
    let words = ["4 shards cannot be divided evenly among 3 processes"];
    fail(by(3, command.args(["--set", "train.shards=4"])), 1, &words);
    let words = ["train.batch_size is 7, and there are 8 shards"];
    fail(smnist(path, "run", 3).args(["--set", "train.shards=8"]), 1, &words);
    fs::create_dir_all(path.join("group/seed-1")).unwrap();
    fs::write(path.join("group/seed-1/config.toml"), "").unwrap();
    fail(by(2, &mut resume(path, "group", 3)), 2, &["group holds several runs"]);
    fail(smnist(path, "run", 3).env("RANK", "0"), 2, &["WORLD_SIZE is not set"]);
    let mut command = train_small(path, "smnist", &SETTINGS);
    let (output, stderr) = run(by(2, command.args(["--run-dir", "run", "--data", "nowhere"])));
    assert_eq!((output.status.code(), stderr.matches("error").count()), (Some(1), 1), "{stderr}");
}

/// Needs PyTorch: `S4_TEST_TORCH` is a Python that has it, with its `torchrun`.
#[test]
fn torchrun_starts_it_and_starts_it_again() {
    let Ok(python) = std::env::var("S4_TEST_TORCH") else {
        note("torchrun is not tested: S4_TEST_TORCH names no Python with PyTorch");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut smnist(path, "one", 4));
    let torchrun = |inner: &Command, restarts: &str| {
        let mut command = Command::new(&python);
        command.current_dir(path).args([
            "-m",
            "torch.distributed.run",
            "--no-python",
            "--standalone",
        ]);
        command.args(["--nproc-per-node", "2", "--max-restarts", restarts]);
        command.args(["--monitor-interval", "0.1"]).arg(inner.get_program()).args(inner.get_args());
        // What this test runs with is not what PyTorch is to find.
        command.env_remove("LD_LIBRARY_PATH").env("OMP_NUM_THREADS", "1");
        command
    };
    let output = torchrun(&smnist(path, "two", 4), "0").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same_curve(&path.join("two"), &path.join("one"));

    // One is killed: torchrun starts both again, and the run goes on.
    let mut command = torchrun(&train(path, "again", ENDLESS), "1");
    let (mut child, _stderr) = start(&mut command);
    while saved_step(&path.join("again")).unwrap_or(0) < 4 {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(signal(*children(child.id()).last().unwrap(), "KILL"));
    let before = saved_step(&path.join("again")).unwrap();
    let begin = Instant::now();
    let sessions =
        || fs::read_to_string(path.join("again/run.json")).unwrap().matches("\"command\"").count();
    while sessions() < 2 || saved_step(&path.join("again")).unwrap() < before + 4 {
        assert!(begin.elapsed() < Duration::from_secs(60), "it was not started again");
        thread::sleep(Duration::from_millis(100));
    }
    send(&child, &["TERM"]);
    wait(&mut child, Duration::from_secs(40));
    assert_goes_on(path, "again");
}
