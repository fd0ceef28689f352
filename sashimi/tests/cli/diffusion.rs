//! Diffusion as a user trains it and listens to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binary::{DIGITS, clip, fail, interrupt, sashimi, set, succeed, wait_until};
use crate::events::Events;
use sashimi::experiment::Experiment;
use sashimi::objective::Diffusion;
use serde_json::Value;
use tch::Device;
use training::checkpoint::Checkpoint;
use training::objective::Objective;
use training::run::Experiment as _;

/// What any tiny model of diffusion has.
const TINY: &[&str] = &[
    "data.length=256",
    "data.val_count=8",
    "data.cache=\"cache\"",
    "diffusion.steps=8",
    "diffusion.fast=[0.001, 0.1]",
    "diffusion.network.embedding=8",
    "diffusion.network.hidden=[8, 8]",
    "train.batch_size=2",
    "train.workers=1",
    "train.log_every=5",
    "train.eval_every=5",
    "train.schedule.warmup_steps=0",
    "train.schedule.total_steps=20",
    "preview.count=1",
    "preview.seconds=0.05",
];
const SASHIMI: &[&str] = &[
    "diffusion.network.sashimi.d_model=16",
    "diffusion.network.sashimi.n_layers=1",
    "diffusion.network.sashimi.ssm.d_state=4",
];
const WAVENET: &[&str] = &[
    "diffusion.network.wavenet.channels=4",
    "diffusion.network.wavenet.skip=4",
    "diffusion.network.wavenet.layers=3",
];
const MEL: &[&str] = &[
    "diffusion.network.mel.bands=5",
    "diffusion.network.mel.upsample=[4, 4]",
    "data.mel.bands=5",
    "data.mel.hop=16",
    "data.mel.n_fft=64",
];

/// `train` of a tiny model for `steps` steps, with these flags.
fn train(folder: &Path, run: &str, steps: u32, flags: &[&str], settings: &[&[&str]]) -> Command {
    let mut command = sashimi(folder);
    command.args(["train", "--data", DIGITS, "--device", "cpu", "--run-dir", run]);
    command.args(["--max-steps", &steps.to_string()]).args(flags);
    for settings in settings {
        set(&mut command, settings);
    }
    command
}

/// A folder with trained runs, made once; nothing may be changed there: `run` of SaShiMi, `vocoder`, of
/// WaveNet, and `codes`, which predicts codes.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diffusion-cli");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let diffusion = ["--objective", "diffusion"];
        succeed(&mut train(&folder, "run", 10, &diffusion, &[TINY, SASHIMI]));
        let flags = ["--preset", "small-diffwave-wavenet", "--mel"];
        succeed(&mut train(&folder, "vocoder", 10, &flags, &[TINY, WAVENET, MEL]));
        let codes = ["--preset", "small"];
        succeed(&mut train(&folder, "codes", 2, &codes, &[crate::binary::TINY]));
        folder
    })
}

fn samples(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap();
    wav.samples().map(Result::unwrap).collect()
}

#[test]
fn presets_have_the_published_parameters() {
    for (preset, expected) in [
        ("sc09-diffwave", 23_470_971),
        ("sc09-diffwave-small", 7_734_267),
        ("sc09-diffwave-wavenet", 24_071_681),
        ("ljspeech", 3_153_459),
        ("small-diffwave", 281_227),
        ("small-diffwave-wavenet", 285_761),
    ] {
        let rate = ["data.sample_rate=22050".to_owned()];
        let experiment = sashimi::experiment::Preset::find(preset).unwrap().load(&rate).unwrap();
        let model = Diffusion::new(&experiment.value, Device::Cpu).unwrap();
        assert_eq!(model.params().num_parameters(), expected, "{preset}");
    }
}

#[test]
fn a_run_says_all_that_it_is() {
    let run = trained().join("run");
    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(!text.contains("[model"), "{text}");
    let experiment = Experiment::read(&run.join("config.toml"), &[]).unwrap().value;
    let network = experiment.diffusion.unwrap().network;
    assert_eq!(network.sashimi.unwrap().d_model, 16);
    assert_eq!(experiment.train.best.unwrap().metric, "val/loss");

    let events = Events::read(&run);
    for tag in ["val/loss", "val/loss_q1", "val/loss_q4", "audio/generated/0"] {
        assert_eq!(events.steps(tag), [5, 10], "{tag}");
    }
    assert_eq!(events.steps("audio/real/0"), [5]);
    let vocoder = Events::read(&trained().join("vocoder"));
    assert_eq!(vocoder.steps("audio/generated/0"), [5, 10]);
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--preset", "small-diffwave-wavenet", "--mel"];
    let settings: &[&[&str]] = &[TINY, WAVENET, MEL];
    succeed(&mut train(folder.path(), "whole", 9, &flags, settings));
    succeed(&mut train(folder.path(), "halves", 4, &flags, settings));
    let resume = ["train", "--resume", "halves", "--max-steps", "9", "--device", "cpu"];
    succeed(sashimi(folder.path()).args(resume));
    let weights = |run: &str| {
        let file = folder.path().join(run).join("checkpoints/last.safetensors");
        Checkpoint::load(&file).unwrap().into_weights()
    };
    let (whole, halves) = (weights("whole"), weights("halves"));
    assert!(whole.len() > 10);
    for (name, tensor) in whole.iter() {
        assert_eq!(tensor, halves.get(name).unwrap(), "{name}");
    }
}

#[test]
fn evaluation_gives_the_loss_of_training() {
    for run in ["run", "vocoder"] {
        let evaluate = |args: &[&str]| {
            let mut command = sashimi(trained());
            succeed(command.args(["evaluate", run, "--device", "cpu"]).args(args)).0
        };
        let object: Value = serde_json::from_str(&evaluate(&["--json"])).unwrap();
        let summary = fs::read(trained().join(run).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        let [found, trained] = [&object, &summary["test"]].map(|x| x["loss"].as_f64().unwrap());
        assert!((found - trained).abs() < 1e-5 * trained, "{found} {trained}");
        assert_eq!(
            (&object["data"], &object["count"]),
            (&"fsdd".into(), &summary["test"]["samples"])
        );
        assert!(object["loss_q1"].as_f64().is_some_and(f64::is_finite), "{object}");
        assert!(evaluate(&[]).starts_with("fsdd test: loss "));
    }
}

#[test]
fn a_sample_is_the_same_whatever_is_made_beside_it() {
    let folder = trained();
    let out = tempfile::tempdir().unwrap();
    let generate = |out: &Path, args: &[&str]| {
        let mut command = sashimi(folder);
        command.args(["generate", "run", "--device", "cpu", "--out"]).arg(out).args(args);
        let (files, _) = succeed(&mut command);
        files.lines().map(PathBuf::from).collect::<Vec<_>>()
    };
    let three = generate(&out.path().join("three"), &["--count", "3"]);
    let one = generate(&out.path().join("one"), &[]);
    assert_eq!((three.len(), one.len()), (3, 1));
    assert_eq!(three[0].file_name(), one[0].file_name());
    assert_eq!(samples(&three[0]), samples(&one[0]));
    assert_ne!(samples(&three[0]), samples(&three[1]));
    assert_eq!(samples(&one[0]).len(), 256);

    let other = |args: &[&str]| generate(&out.path().join("others"), args).remove(0);
    let (fast, few) = (other(&["--fast"]), other(&["--steps", "3"]));
    assert!(fast.display().to_string().ends_with("step10-seed0-fast-000.wav"), "{fast:?}");
    assert!(few.display().to_string().ends_with("step10-seed0-steps3-000.wav"), "{few:?}");
    assert_ne!(samples(&fast), samples(&few));
    // Any length, not only whole groups of pooled positions.
    assert_eq!(samples(&other(&["--seconds", "0.1001", "--seed", "5"])).len(), 801);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_samples_that_are_finished() {
    let out = tempfile::tempdir().unwrap();
    let mut command = sashimi(trained());
    command.args(["generate", "run", "--device", "cpu", "--count", "100000", "--out"]);
    command.arg(out.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let first = out.path().join("step10-seed0-000.wav");
    wait_until(&mut child, || first.exists());
    let (code, stdout, stderr) = interrupt(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("finished before is written"), "{stderr}");
    let written: Vec<&str> = stdout.lines().collect();
    assert!(!written.is_empty() && written.len() < 100_000);
    assert!(written.iter().all(|file| samples(Path::new(file)).len() == 256));
    // Nothing half made is left beside them.
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), written.len());
}

#[test]
fn recordings_are_vocoded_at_their_length() {
    let folder = trained();
    let out = tempfile::tempdir().unwrap();
    let files = [clip("0_george_0.wav"), clip("7_jackson_5.wav")];
    let vocode = |args: &[&str]| {
        let mut command = sashimi(folder);
        command.args(["vocode", "vocoder", "--device", "cpu", "--out"]).arg(out.path());
        command.args(&files).args(args);
        command
    };
    let (written, _) = succeed(&mut vocode(&["--fast"]));
    for (line, file) in written.lines().zip(&files) {
        assert_eq!(Path::new(line), out.path().join(file.file_name().unwrap()));
        assert_eq!(samples(Path::new(line)).len(), samples(file).len());
    }
    assert_eq!(written.lines().count(), 2);
    fail(&mut vocode(&[]), 1, &["is there already", "--overwrite"]);
    succeed(&mut vocode(&["--overwrite", "--steps", "1"]));
}

#[test]
fn what_makes_no_sense_is_said() {
    let folder = trained();
    let file = clip("0_george_0.wav").display().to_string();
    let file = file.as_str();
    for (args, words) in [
        (&["score", "run", file][..], &["run of diffusion", "evaluate"][..]),
        (&["stability", "run"], &["run of diffusion"]),
        (&["generate", "run", "--temperature", "0.9"], &["--temperature", "--steps"]),
        (&["generate", "run", "--prefix", file], &["--prefix", "--fast"]),
        (&["generate", "codes", "--fast"], &["--fast is for runs of diffusion"]),
        (&["generate", "codes", "--steps", "3"], &["--steps is for runs of diffusion"]),
        (&["generate", "run", "--steps", "3", "--fast"], &["--fast"]),
        (&["evaluate", "run", "--baselines"], &["--baselines"]),
        (&["vocode", "run", file, "--out", "out"], &["no vocoder", "--mel"]),
        (&["vocode", "codes", file, "--out", "out"], &["no vocoder"]),
        (&["train", "--data", DIGITS, "--mel"], &["--objective diffusion"]),
        (
            &["train", "--data", DIGITS, "--objective", "diffusion", "--preset", "sc09"],
            &["sc09 is of objective next-code"],
        ),
        (
            &["train", "--data", DIGITS, "--objective", "next-code", "--preset", "small-diffwave"],
            &["is of objective diffusion"],
        ),
    ] {
        fail(sashimi(folder).args(args).args(["--device", "cpu"]), 2, words);
    }
    for (args, words) in [
        (&["generate", "run", "--steps", "9"][..], &["1 to 8"][..]),
        (&["generate", "vocoder"], &["sashimi vocode"]),
        (
            &["train", "--data", DIGITS, "--objective", "diffusion", "--set", "model.d_model=8"],
            &["[diffusion.network]"],
        ),
    ] {
        fail(sashimi(folder).args(args).args(["--device", "cpu"]), 1, words);
    }
    assert!(!folder.join("runs").exists(), "a refused command leaves nothing");
}
