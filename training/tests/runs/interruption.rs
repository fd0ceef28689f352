//! Ctrl-C, full disks, divergence: the program ends well, and says what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use training::checkpoint::Checkpoint;
use training::run_dir::{RunDir, last_checkpoint};

use crate::perceptron::{Order, assert_same, run, run_well, stderr};

fn order(run: &Path) -> Order {
    Order { run: run.to_owned(), ..Order::default() }
}

/// Starts the program and waits until it has reported a step.
fn start(order: &Order) -> (Child, thread::JoinHandle<String>) {
    let mut child = crate::perceptron::command(order)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut text = String::new();
    for line in lines.by_ref() {
        text += &format!("{line}\n");
        if line.starts_with("step ") {
            break;
        }
    }
    // Goes on reading, or the program would wait for it.
    (child, thread::spawn(move || lines.fold(text, |text, line| text + &line + "\n")))
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: the child is ours and was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

#[test]
fn ctrl_c_saves_says_how_to_resume_and_exits_130() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    run_well(&order(&whole));
    for (name, which) in [("int", libc::SIGINT), ("term", libc::SIGTERM)] {
        let path = folder.path().join(name);
        let (mut child, text) = start(&Order { delay_ms: 5, ..order(&path) });
        signal(&child, which);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let text = text.join().unwrap();
        assert!(text.contains(&format!("Continue with --resume {}", path.display())), "{text}");
        let saved = Checkpoint::load(&last_checkpoint(&path)).unwrap().meta.state.step;
        assert!((5..40).contains(&saved), "saved at step {saved}");
        assert!(text.contains(&format!("interrupted after step {saved};")), "{text}");
        run_well(&Order { resume: true, ..order(&path) });
        assert_same(&last_checkpoint(&whole), &last_checkpoint(&path), name);
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let (mut child, text) = start(&Order {
        delay_ms: 5000,
        overrides: vec!["train.log_every=1".to_owned()],
        ..order(&path)
    });
    // By now it is within the next batch.
    thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    signal(&child, libc::SIGINT);
    thread::sleep(Duration::from_millis(1200));
    signal(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_millis(4000), "it waited for the step");
    assert!(!text.join().unwrap().contains("everything is saved"));
    Checkpoint::load(&last_checkpoint(&path)).unwrap();
}

#[test]
fn two_processes_do_not_share_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let (mut first, _text) = start(&Order { delay_ms: 20, ..order(&path) });
    let second = run(&Order { resume: true, ..order(&path) });
    assert_eq!(second.status.code(), Some(1));
    let text = stderr(&second);
    assert!(text.contains(&format!("another process (id {})", first.id())), "{text}");
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a killed process is not stale.
    RunDir::resume(&path).unwrap();
}

/// Calls 15 and 16 are step 8, after the checkpoint of step 7; the next is that of step 14.
fn order_without_evaluation(run: &Path) -> Order {
    Order { overrides: vec!["train.eval_every=40".to_owned()], ..order(run) }
}

fn assert_ended_well_without_room(output: &Output, checkpoint: &Path) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked") && !text.contains("stack backtrace"), "{text}");
    assert!(text.contains("step 14 cannot be saved; older checkpoints are intact"), "{text}");
    assert_eq!(Checkpoint::load(checkpoint).unwrap().meta.state.step, 7);
}

#[test]
fn a_limit_of_file_sizes_ends_in_a_message_and_spares_the_old_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let output = run(&Order { limit: Some((16, 2000)), ..order_without_evaluation(&path) });
    assert_ended_well_without_room(&output, &last_checkpoint(&path));
    assert!(stderr(&output).contains("ulimit -f"), "{}", stderr(&output));
}

#[test]
fn a_full_disk_ends_in_a_message_and_spares_the_old_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let copy = folder.path().join("copy.safetensors");
    std::fs::create_dir(&disk).unwrap();
    let path = disk.join("run");
    let order = Order { fill: Some((16, 4 << 20)), ..order_without_evaluation(&path) };
    let program = crate::perceptron::command(&order);
    // A disk of 1 MiB, which vanishes with its mount namespace: hence the copy.
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs '{}' || exit 99
         \"$@\"; code=$?
         cp '{}' '{}'; exit $code",
        disk.display(),
        last_checkpoint(&path).display(),
        copy.display()
    );
    let mut outer = Command::new("unshare");
    outer.args(["-rm", "sh", "-c", &script, "sh"]).arg(program.get_program());
    outer.args(program.get_args());
    for (key, value) in program.get_envs() {
        outer.env(key, value.unwrap());
    }
    let output = match outer.output() {
        Ok(output) if output.status.code() != Some(99) && !stderr(&output).contains("unshare") => {
            output
        }
        refused => {
            // Not `eprintln!`, which the test harness would swallow.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED a_full_disk...: no disk of our own can be mounted here ({refused:?})\n"
            );
            return;
        }
    };
    assert_ended_well_without_room(&output, &copy);
    let text = stderr(&output);
    assert!(text.contains("the disk is full") && text.contains(" needed; make room"), "{text}");
}

#[test]
fn a_model_that_panics_ends_in_one_line_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    // The first lies in a training step, the second in the first evaluation.
    for (call, place) in [(5, "training step 3"), (27, "evaluating the val split")] {
        let path = folder.path().join(call.to_string());
        let output = run(&Order { panic_at_call: Some(call), ..order(&path) });
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let message = text.lines().last().unwrap();
        assert!(message.starts_with(&format!("error: {place}: the model panicked: ")), "{text}");
        assert!(message.contains("mat1 and mat2"), "{text}");
        assert!(!text.contains("frame #") && !text.contains("stack backtrace"), "{text}");
    }
}

#[test]
fn a_model_that_cannot_be_inspected_is_trained_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let output = run(&Order { panic_in_pictures: true, ..order(&path) });
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    let warning = "warning: not shown in TensorBoard: showing the model panicked: ";
    assert!(text.contains(warning) && text.contains("mat1 and mat2"), "{text}");
    let events: Vec<u8> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("tfevents"))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    let shows = |tag: &str| events.windows(tag.len()).any(|bytes| bytes == tag.as_bytes());
    assert!(shows("norm/running_var") && shows("tone") && shows("audio/wav"));
    assert!(!shows("first"), "there should be no picture");
}

#[test]
fn divergence_stops_with_a_report_and_spares_the_old_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let output = run(&Order {
        // Never read for a report: it is noticed when a checkpoint is to be made.
        overrides: vec!["train.optimizer.lr=1e25".to_owned(), "train.log_every=100".to_owned()],
        ..order(&path)
    });
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("training diverged at step"), "{text}");
    assert!(!text.contains("stack backtrace"), "{text}");
    for (name, tensor) in
        training::checkpoint::load_weights(&last_checkpoint(&path)).unwrap().iter()
    {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "{name} was saved with NaN");
    }
}

#[test]
fn rolling_back_gets_a_diverged_run_to_its_end_and_resumes_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let overrides = vec![
        "train.optimizer.lr=1e25".to_owned(),
        "train.on_divergence={ policy = \"roll_back\", lr_scale = 1e-27 }".to_owned(),
        // The average must go back, too: NaN would stay in it for good.
        "train.ema=0.9".to_owned(),
    ];
    let whole = folder.path().join("whole");
    let output = run(&Order { overrides: overrides.clone(), ..order(&whole) });
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("training diverged") && text.contains("back at step"), "{text}");
    let last = Checkpoint::load(&last_checkpoint(&whole)).unwrap();
    assert_eq!(last.meta.state.rollbacks, 1);
    for (name, tensor) in last.ema.unwrap().iter() {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "the average of {name}");
    }

    let killed = folder.path().join("killed");
    let output = run(&Order { overrides, kill_at_call: Some(80), ..order(&killed) });
    assert!(!output.status.success());
    run_well(&Order { resume: true, ..order(&killed) });
    assert_same(&last_checkpoint(&whole), &last_checkpoint(&killed), "after a roll-back");
}

#[test]
fn patience_ends_a_run_early() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let overrides = ["train.patience=2", "train.eval_every=1", "train.optimizer.lr=0.0"];
    let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
    let output = run(&Order { overrides, ..order(&path) });
    let text = stderr(&output);
    assert!(output.status.success() && text.contains("stopping early"), "{text}");
    let summary = training::summary::Summary::read(&path).unwrap().unwrap();
    // The running statistics of batch norm still change, so the first steps may be better.
    assert!(summary.finished && summary.step < 40, "{summary:?}");
}
