//! Scores and pages of generated sound.

use std::fs;
use std::path::Path;
use std::process::Command;

use models::Network;
use s4_config::{Input, NetworkConfig, Output, Shape};
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use serde_json::Value;
use tch::{Device, Kind};
use training::checkpoint::{Checkpoint, Meta, TrainState};
use training::run_dir;
use training::schedule::{Schedule, ScheduleState};

use crate::binary::{clip, fail, sashimi, succeed};

const CLASSIFIER: &str = "task = \"fsdd\"\n\
    [data]\nscale = { mean = 0.0, std = 0.1 }\nmel = { n_fft = 256, hop = 250, bands = 8 }\n\
    [model]\nbackbone = \"resnext\"\n\
    resnext = { depth = 11, cardinality = 1, base_width = 1, widen = 1 }\n\
    [train]\nsteps = 1\neval_batch_size = 5\n";

/// A run of a classifier that has learned nothing.
fn classifier(run: &Path) {
    let config: toml::Table = CLASSIFIER.parse().unwrap();
    let model: NetworkConfig = config["model"].clone().try_into().unwrap();
    let shape = Shape { input: Input::Values { features: 8 }, output: Output::Classes(10) };
    let mut store = ParamStore::new(Device::Cpu, Kind::Float);
    parity::seeded(0, || Network::new(&mut store.root(), &model, shape).unwrap());
    let schedule = ScheduleState::new(Schedule::Constant {}, 1, 1).unwrap();
    let state = TrainState { step: 1, ..TrainState::new(1, schedule) };
    let checkpoint = Checkpoint {
        meta: Meta::new(state, 0, CLASSIFIER.to_owned()),
        model: store.state_dict(),
        ema: None,
        optimizer: StateDict::new(),
        meters: StateDict::new(),
        carried: StateDict::new(),
    };
    let file = run_dir::last_checkpoint(run);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, checkpoint.to_bytes().unwrap()).unwrap();
    fs::write(run_dir::config_file(run), CLASSIFIER).unwrap();
}

/// Recordings of a speaker, as many of each of some digits, in `folder`.
fn recordings(folder: &Path, speaker: &str, numbers: &[u32]) {
    fs::create_dir(folder).unwrap();
    for digit in 0..5 {
        for number in numbers {
            let name = format!("{digit}_{speaker}_{number}.wav");
            fs::copy(clip(&name), folder.join(name)).unwrap();
        }
    }
}

/// A classifier, sounds of two speakers and generated ones, one of which is a copy.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    classifier(&at("classifier"));
    recordings(&at("train"), "george", &[10, 11]);
    recordings(&at("real"), "george", &[0, 5]);
    recordings(&at("generated"), "jackson", &[0]);
    fs::copy(clip("3_george_11.wav"), at("generated/seed0-007.wav")).unwrap();
    fs::write(at("generated/broken.wav"), "no sound").unwrap();
    folder
}

fn metrics(folder: &Path) -> Command {
    let mut command = sashimi(folder);
    command.args(["metrics", "--real", "real", "--generated", "generated", "--classifier"]);
    command.args(["classifier", "--device", "cpu", "--bootstrap", "20", "--no-progress"]);
    command
}

#[test]
fn scores_stand_between_real_sound_and_noise_and_copies_are_named() {
    let folder = folder();
    let (table, stderr) = succeed(metrics(folder.path()).args(["--train", "train"]));
    let lines: Vec<_> = table.lines().collect();
    for (line, words) in lines.iter().zip(["64 features", "set", "real", "generated", "noise"]) {
        assert!(line.starts_with(words), "{words}: {}", table);
    }
    assert!(table.contains("generated: 1 of 6 copied"), "{}", table);
    assert!(table.contains("seed0-007.wav is as train/3_george_11.wav"));
    for words in ["skipped: generated/broken.wav", "6 sounds of generated are few"] {
        assert!(stderr.contains(words), "{words}: {}", stderr);
    }
    let json = || succeed(metrics(folder.path()).args(["--train", "train", "--json"])).0;
    let (text, again) = (json(), json());
    assert_eq!(text, again, "the same seed");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["reference"]["count"], &report["features"]), (&10.into(), &64.into()));
    assert_eq!(report["skipped"].as_array().unwrap().len(), 1);
    for set in report["sets"].as_array().unwrap() {
        for score in ["fid", "is", "mis", "am", "ndb"] {
            let [low, high] = ["low", "high"].map(|end| set[score][end].as_f64().unwrap());
            assert!(0.0 <= low && low <= high, "{set}");
        }
    }
    // Without training sounds, half of the real ones stand for them.
    let (table, _) = succeed(&mut metrics(folder.path()));
    assert!(table.contains("compared with 5 sounds of real"), "{}", table);
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fail(metrics(folder.path()).args(["--train", "empty"]), 1, &["empty has no sound files"]);
    fail(metrics(folder.path()).args(["--generated", "gone"]), 1, &["gone"]);
    let run = folder.path().join("classifier");
    let other =
        CLASSIFIER.replace("fsdd", "listops").replace("mel", "# mel").replace("scale", "# scale");
    fs::write(run_dir::config_file(&run), other).unwrap();
    fail(&mut metrics(folder.path()), 1, &["does not classify sound", "lra-bench train"]);
    fs::remove_dir_all(&run).unwrap();
    fail(&mut metrics(folder.path()), 1, &["the classifier", "a run of lra-bench"]);
}

#[test]
fn a_page_has_everything_in_it() {
    let folder = folder();
    let scores = succeed(metrics(folder.path()).args(["--train", "train", "--json"])).0;
    fs::write(folder.path().join("scores.json"), scores).unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run_dir::config_file(&run), "# of <a run>").unwrap();
    fs::rename(folder.path().join("generated"), run.join("samples")).unwrap();
    let mut command = sashimi(folder.path());
    command.args(["page", "run", "--real", "real", "--metrics", "scores.json", "--count", "3"]);
    let (written, _) = succeed(command.args(["--out", "page.html", "--seconds", "0.1"]));
    assert_eq!(written, "page.html\n");
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert_eq!(page.matches("src=\"data:audio/wav").count(), 6);
    assert_eq!(page.matches("src=\"data:image/png").count(), 6);
    for text in ["<th>FID", "1_jackson_0.wav", "the beginning", "# of &lt;a run&gt;", "<td>noise"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("src=\"http") && !page.contains("<script"));
    let mut command = sashimi(folder.path());
    fail(command.args(["page", "gone", "--out", "a.html"]), 1, &["nothing to hear of gone"]);
}
