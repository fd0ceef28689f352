//! The program as a user runs it: exit codes, messages, files left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::binary::{evaluate, fail, lra_bench, mnist, run, succeed, train_small};

/// A model that trains in a moment.
const TINY: &[&str] = &[
    "model.d_model=8",
    "model.n_layers=1",
    "model.layer.ssm.d_state=8",
    "train.batch_size=10",
    "train.workers=1",
    "train.log_every=5",
    "train.eval_every=\"epoch\"",
];

/// `train` of the tiny model on the little MNIST.
fn train(folder: &Path, run: &str, steps: u32) -> Command {
    let mut command = train_small(folder, "smnist", TINY);
    command.args(["--run-dir", run, "--max-steps", &steps.to_string()]).arg("--data").arg(mnist());
    command
}

#[test]
fn trains_evaluates_and_leaves_everything_in_the_run_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 27));
    let run = path.join("run");
    for file in ["config.toml", "checkpoints/last.safetensors", "checkpoints/best.safetensors"] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let mut names = fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.any(|n| n.to_string_lossy().starts_with("events.out.tfevents")));

    let object = evaluate(path, "run", &[]);
    assert_eq!(object["task"], "smnist");
    assert_eq!(object["split"], "test");
    assert_eq!(object["count"], 100);
    assert_eq!(object["step"], 27);
    for figure in ["loss", "accuracy", "seconds"] {
        assert!(object[figure].as_f64().is_some_and(f64::is_finite), "{figure}: {object}");
    }
    let (text, _) = succeed(lra_bench(path).args(["evaluate", "run", "--split", "val"]));
    assert!(text.contains("smnist val: accuracy"), "{text}");
}

/// The commands on the program's page that need neither data nor a run.
#[test]
fn cheap_commands_that_are_shown_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let page = include_str!("../../../docs/lra-bench.md");
    let commands = page.lines().filter_map(|line| {
        let command = line.split('#').next()?.strip_prefix("cargo run -p lra-bench -- ")?;
        ["tasks", "config --task"].iter().any(|cheap| command.starts_with(cheap)).then_some(command)
    });
    for command in commands {
        let (output, _) = succeed(lra_bench(folder.path()).args(command.split_whitespace()));
        assert!(output.contains("path-x"), "{command}: {output}");
    }
}

/// Waits for a file of a run that was started.
fn wait_for(file: &Path) {
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} does not appear", file.display());
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exits_130() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut child = train(path, "run", 100_000)
        .args(["--set", "train.epochs=1000"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&path.join("run/config.toml"));
    thread::sleep(Duration::from_millis(500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("--resume run"), "{stderr}");
    assert!(path.join("run/checkpoints/last.safetensors").is_file());
}

#[test]
fn wrong_usage_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fail(&mut lra_bench(path), 2, &["--task", "--resume"]);
    fail(lra_bench(path).arg("config"), 2, &["--task", "run"]);
    fail(lra_bench(path).args(["--task", "path-y"]), 2, &["path-y", "path-x", "smnist"]);
    let (output, _) = run(lra_bench(path).arg("--no-such-flag"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(path).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn unknown_and_wrong_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let set = |setting: &str| {
        let mut command = train(path, "run", 1);
        command.args(["--set", setting]);
        command
    };
    fail(&mut set("model.d_modl=64"), 2, &["model.d_modl", "did you mean", "d_model"]);
    fail(&mut set("model.d_model=\"wide\""), 2, &["model.d_model"]);
    fail(&mut set("model.layer.ssm.d_state=7"), 1, &["d_state", "even", "7"]);
    fail(&mut set("data.difficulty=\"easy\""), 2, &["data.difficulty", "smnist"]);
    fail(&mut set("train.batch_size=0"), 1, &["batch_size"]);
    let file = path.join("mine.toml");
    fs::write(&file, "task = \"smnist\"\n[modell]\nd_model = 3\n").unwrap();
    let mut command = lra_bench(path);
    fail(command.args(["--config", "mine.toml"]), 1, &["modell", "model", "mine.toml"]);
    fail(lra_bench(path).args(["--config", "none.toml"]), 1, &["none.toml"]);
}

#[test]
fn a_gpu_that_is_not_there_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--task", "smnist", "--device", "cuda:99"];
    fail(lra_bench(folder.path()).args(arguments), 1, &["--device cuda:99"]);
}

#[test]
fn missing_and_damaged_data_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with_data = |dir: &Path| {
        let mut command = train_small(path, "smnist", &[]);
        command.args(["--max-steps", "1", "--run-dir", "run", "--data"]).arg(dir);
        command
    };
    let none = path.join("none");
    fail(&mut with_data(&none), 1, &["MNIST is not in", "none", "train-images-idx3-ubyte"]);

    let damaged = path.join("damaged");
    let copy = || {
        let _ = fs::remove_dir_all(&damaged);
        fs::create_dir(&damaged).unwrap();
        for entry in fs::read_dir(mnist()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), damaged.join(entry.file_name())).unwrap();
        }
        damaged.join("train-images-idx3-ubyte.gz")
    };
    let images = copy();
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..bytes.len() / 2]).unwrap();
    fail(&mut with_data(&damaged), 1, &["train-images-idx3-ubyte.gz", "truncated"]);

    let images = copy();
    fs::write(&images, "<html>404 not found</html>").unwrap();
    fail(&mut with_data(&damaged), 1, &["train-images-idx3-ubyte.gz", "IDX"]);

    let images = copy();
    fs::copy(damaged.join("t10k-images-idx3-ubyte.gz"), &images).unwrap();
    fail(&mut with_data(&damaged), 1, &["do not belong together"]);
    assert!(!path.join("run/checkpoints/last.safetensors").exists());
}

#[test]
fn a_checkpoint_of_another_model_or_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 5));
    let wider = ["train", "--resume", "run", "--set", "model.d_model=16", "--device", "cpu"];
    fail(lra_bench(path).args(wider), 1, &["another model", "d_model"]);

    let last = path.join("run/checkpoints/last.safetensors");
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 100]).unwrap();
    let resume = ["train", "--resume", "run", "--device", "cpu"];
    fail(lra_bench(path).args(resume), 1, &["last.safetensors", "damaged"]);
    fail(lra_bench(path).args(["train", "--resume", "nothing"]), 1, &["nothing"]);
    fail(lra_bench(path).args(["evaluate", "nothing"]), 1, &["nothing"]);
}

/// A limit on file sizes stands in for a full disk: the write fails half way all the same.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeed(&mut train(path, "run", 5));
    let before = fs::read(path.join("run/checkpoints/last.safetensors")).unwrap();
    let mut command = Command::new("sh");
    command.current_dir(path).args(["-c", "ulimit -f 16; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_lra-bench"));
    command.args(["train", "--resume", "run", "--max-steps", "10", "--device", "cpu"]);
    fail(&mut command, 1, &["last.safetensors"]);
    let after = fs::read(path.join("run/checkpoints/last.safetensors")).unwrap();
    assert!(before == after, "the previous checkpoint is intact");
}

#[test]
fn generated_data_is_in_the_official_layout_and_trains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generate =
        ["generate-data", "--task", "pathfinder", "--difficulty", "easy", "--count", "40"];
    let (made, _) = succeed(lra_bench(path).args(generate).args(["--out", "lra"]));
    assert_eq!(made.trim(), "lra/pathfinder32/curv_baseline");
    assert!(path.join("lra/pathfinder32/curv_baseline/metadata/0.npy").is_file());
    assert!(path.join("lra/pathfinder32/curv_baseline/imgs/0/sample_39.png").is_file());

    let tiny = ["model.d_model=8", "model.n_layers=1", "train.batch_size=8"];
    let mut command = train_small(path, "pathfinder", &tiny);
    succeed(command.args(["--data", "lra", "--run-dir", "run", "--max-steps", "2"]));

    // An image that went missing is named.
    fs::remove_dir_all(path.join("lra/pathfinder32/curv_baseline/imgs")).unwrap();
    fail(lra_bench(path).args(["evaluate", "run"]), 1, &["sample_"]);
}

#[test]
fn generates_while_it_trains_without_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let tiny = [
        "model.d_model=4",
        "model.n_layers=1",
        "train.batch_size=4",
        "data.count=40",
        "data.eval_count=8",
        "train.eval_batch_size=4",
    ];
    let (_, stderr) = succeed(train_small(path, "path-x", &tiny).args(["--max-steps", "2"]));
    assert!(stderr.contains("no --data"), "{stderr}");
    assert!(path.join("runs/path-x/small-001/config.toml").is_file());
    assert!(path.join("data/cache").is_dir());
}

#[test]
fn tasks_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = succeed(lra_bench(folder.path()).args(["tasks", "--data"]).arg(mnist()));
    let line = |task: &str| text.lines().find(|l| l.starts_with(task)).unwrap().to_owned();
    assert!(line("smnist").contains("there"), "{text}");
    assert!(line("path-x").contains("missing"), "{text}");
    assert!(line("path-x").contains("16384"), "{text}");
}
