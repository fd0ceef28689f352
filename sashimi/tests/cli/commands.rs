//! The program as a user runs it: exit codes, messages, files left behind.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binary::{
    self, DIGITS, TINY, clip, fail, interrupt, run, sashimi, set, train_tiny, train_with,
    wait_until,
};
use audio_data::wav_out::wav_bytes;
use hound::{SampleFormat, WavSpec, WavWriter};
use program::findings::Findings;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sashimi::data::file;
use sashimi::experiment::Experiment;
use serde_json::Value;
use training::checkpoint::Checkpoint;
use training::run::Experiment as _;
use training::run_dir;

/// Clips in the little data set: 4 for the test, 4 for validation, 8 to learn from.
const CLIPS: [(&str, [u32; 4]); 4] = [
    ("0_george", [0, 5, 10, 11]),
    ("0_jackson", [0, 5, 10, 11]),
    ("7_george", [0, 5, 10, 11]),
    ("7_jackson", [0, 5, 10, 11]),
];

/// `train` of the tiny model on the audio in `data`.
fn train_on(folder: &Path, data: &str, run: &str, steps: u32) -> Command {
    let mut command = train_tiny(folder, data, steps);
    command.args(["--run-dir", run]);
    command
}

/// `train` of the tiny model on the little data set, which is put in place.
fn train(folder: &Path, run: &str, steps: u32) -> Command {
    put_in_place(folder);
    train_on(folder, "digits", run, steps)
}

/// The little data set.
fn put_in_place(folder: &Path) {
    let digits = folder.join("digits");
    if !digits.exists() {
        fs::create_dir(&digits).unwrap();
        for (name, indices) in CLIPS {
            for index in indices {
                let name = format!("{name}_{index}.wav");
                fs::copy(clip(&name), digits.join(name)).unwrap();
            }
        }
    }
}

/// A folder with a trained `run` in it, made once; nothing may be changed there.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sashimi-cli");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        succeed(&mut train(&folder, "run", 60));
        folder
    })
}

/// What a command that must succeed writes to standard output.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    binary::succeed(command).0
}

fn samples(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!(wav.spec().channels, 1);
    wav.samples().map(Result::unwrap).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn training_leaves_everything_in_the_run_folder() {
    let folder = trained();
    let run = folder.join("run");
    for file in ["checkpoints/last.safetensors", "checkpoints/best.safetensors"] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert!(names(&run).iter().any(|name| name.starts_with("events.out.tfevents")));
    let summary = fs::read(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!((&summary["finished"], &summary["step"]), (&true.into(), &60.into()));
    assert!(summary["test"]["loss"].as_f64().is_some_and(f64::is_finite), "{summary}");
    // What was left open is decided for good.
    let experiment = Experiment::read(&run_dir::config_file(&run), &[]).unwrap().value;
    assert_eq!(experiment.data.sample_rate, Some(8000));
    assert_eq!(experiment.data.dir.as_deref(), Some(Path::new("digits")));
    assert_eq!(experiment.model.width(), 8);
}

#[test]
fn evaluation_counts_every_sample_of_the_held_out_clips() {
    let folder = trained();
    let evaluate = |args: &[&str]| {
        succeed(sashimi(folder).args(["evaluate", "run", "--device", "cpu"]).args(args))
    };
    for (split, index) in [("test", 0), ("val", 5)] {
        let object: Value =
            serde_json::from_str(&evaluate(&["--json", "--split", split, "--baselines"])).unwrap();
        let clips = CLIPS.map(|(name, _)| samples(&clip(&format!("{name}_{index}.wav"))).len());
        assert_eq!(object["count"], clips.iter().sum::<usize>());
        assert_eq!((&object["data"], &object["split"]), (&"fsdd".into(), &split.into()));
        assert_eq!((&object["sequences"], &object["step"]), (&4.into(), &60.into()));
        let figure = |name: &str| object[name].as_f64().unwrap_or_else(|| panic!("no {name}"));
        let bits = figure("bits_per_sample");
        assert!((bits - figure("loss") / std::f64::consts::LN_2).abs() < 1e-6 * bits, "{object}");
        assert!((1.0..9.0).contains(&bits), "{object}");
        let accuracies = ["accuracy", "accuracy@3", "accuracy@5", "accuracy@10"].map(figure);
        assert!(accuracies.is_sorted() && (0.0..=1.0).contains(&accuracies[3]), "{object}");
        assert!(figure("seconds") > 0.0);
        let baselines = &object["baselines"];
        assert_eq!(baselines["held_out_codes"], object["count"]);
        for bits in [&baselines["marginal"], &baselines["ngram"]["bits"]] {
            assert!((1.0..9.0).contains(&bits.as_f64().unwrap()), "{object}");
        }
    }
    let text = evaluate(&["--split", "val"]);
    assert!(text.starts_with("fsdd val: ") && text.contains(" bits per sample, "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    // Training looks at windows, this at whole recordings: why the two differ is said.
    let mut command = sashimi(folder);
    let said = binary::succeed(command.args(["evaluate", "run", "--device", "cpu"])).1;
    let summary: Value =
        serde_json::from_slice(&fs::read(folder.join("run/summary.json")).unwrap()).unwrap();
    let metrics = summary["test"]["metrics"].as_array().unwrap();
    let bits = metrics.iter().find(|metric| metric[0] == "bits_per_sample").unwrap();
    let trained = format!("training says {:.4} of these weights", bits[1].as_f64().unwrap());
    assert!(said.contains(&trained) && said.contains("(data.length: 256)"), "{said}");
    let text = evaluate(&["--baselines"]);
    for line in ["  marginal distribution\n", "  n-gram of order ", "  linear predictor of order "]
    {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn seeds_and_sweeps_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut command = train_tiny(path, DIGITS, 4);
    command.args(["--seeds", "1,2", "--sweep", "model.d_model=6,8", "--run-dir", "sweep"]);
    let table = succeed(&mut command);
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 4, "{table}");
    for point in ["d_model=6/seed-1", "d_model=6/seed-2", "d_model=8/seed-1", "d_model=8/seed-2"] {
        let row = rows.iter().find(|row| row.ends_with(&format!("sweep/{point}")));
        let row = row.unwrap_or_else(|| panic!("no {point}: {table}"));
        let bits: f64 = row.split_whitespace().next().unwrap().parse().unwrap();
        assert!(bits.is_finite() && bits > 1.0, "{table}");
    }
    // Nothing is left to do.
    let resume = ["train", "--resume", "sweep", "--device", "cpu"];
    assert_eq!(succeed(sashimi(path).args(resume)), table);
}

/// Whatever backbone predicts the next code: trained, evaluated, scored and generated from.
#[test]
fn every_backbone_trains_and_generates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let stepped = ["s4", "wavenet", "samplernn"];
    let others = ["transformer", "linear-attention", "lstm", "gru", "dilated", "stacked-rnn"];
    for backbone in stepped.into_iter().chain(others) {
        let choice = format!("model.backbone=\"{backbone}\"");
        let segments = ["data.segment=64", "train.eval_every=2", "preview.seconds=0.01"];
        // The published baselines have depths of their own.
        let smaller: &[&str] = match backbone {
            "wavenet" => &[
                "model.wavenet.layers=4",
                "model.wavenet.blocks=1",
                "model.wavenet.residual_channels=8",
                "model.wavenet.skip_channels=16",
            ],
            "samplernn" => &["model.samplernn.d_hidden=8", "model.samplernn.frame_sizes=[4, 2]"],
            _ => &["model.n_layers=1"],
        };
        let tiny = TINY.iter().filter(|setting| !setting.starts_with("model.n_layers"));
        let settings: Vec<&str> =
            tiny.chain(smaller).chain(&segments).copied().chain([&*choice]).collect();
        put_in_place(path);
        let mut command = train_with(path, "digits", 2, &settings);
        let stderr = binary::succeed(command.args(["--run-dir", backbone])).1;
        assert!(stderr.contains("model.pool, model.expand, model.ff"), "{backbone}: {stderr}");
        let evaluated = succeed(sashimi(path).args(["evaluate", backbone, "--device", "cpu"]));
        assert!(evaluated.contains("bits per sample"), "{backbone}: {evaluated}");
        let mut score = sashimi(path);
        succeed(score.args(["score", backbone, "--device", "cpu"]).arg(clip("0_george_0.wav")));
        let seconds = ["--seconds", "0.01", "--device", "cpu"];
        let (written, stderr) =
            binary::succeed(sashimi(path).args(["generate", backbone]).args(seconds));
        assert_eq!(samples(Path::new(&path.join(written.trim()))).len(), 80, "{backbone}");
        assert_eq!(
            stderr.contains("slower, by libtorch"),
            !stepped.contains(&backbone),
            "{backbone}: {stderr}"
        );
        assert!(stderr.contains(" samples in a second, 1 side by side"), "{backbone}: {stderr}");
        let further = ["train", "--resume", backbone, "--device", "cpu", "--set", "train.steps=4"];
        let stderr = binary::succeed(sashimi(path).args(further)).1;
        assert!(stderr.contains("done; to hear it"), "{backbone}: {stderr}");
    }
    let ahead = ["model.backbone=\"lstm\"", "model.recurrent.bidirectional=true"];
    fail(
        set(&mut train(path, "ahead", 2), &ahead),
        1,
        &["model.recurrent.bidirectional looks ahead"],
    );
}

#[test]
fn audio_that_moved_is_evaluated_where_it_is_now() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    let run = trained().join("run");
    let evaluate = |args: &[&str]| {
        let mut command = sashimi(path);
        command.arg("evaluate").arg(&run).args(["--device", "cpu"]).args(args);
        command
    };
    fail(&mut evaluate(&[]), 1, &["cannot open the data folder digits"]);
    // The name of a data set stands for its folder below data/.
    fs::create_dir_all(path.join("data")).unwrap();
    fail(&mut evaluate(&["--data", "fsdd"]), 1, &["data/fsdd"]);
    fs::create_dir(path.join("data/fsdd")).unwrap();
    for index in [0, 5, 10] {
        let name = format!("3_lucas_{index}.wav");
        fs::copy(clip(&name), path.join("data/fsdd").join(name)).unwrap();
    }
    let json = succeed(&mut evaluate(&["--data", "fsdd", "--json"]));
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&object["data"], &object["sequences"]), (&"fsdd".into(), &1.into()));
}

/// `generate` from the trained run into `out` with these arguments.
fn generate(out: &Path, args: &[&str]) -> Command {
    let mut command = sashimi(trained());
    command.args(["generate", "run", "--device", "cpu", "--out"]).arg(out).args(args);
    command
}

/// The bytes of the only file in a new folder, after `generate` with these arguments.
#[track_caller]
fn generated(args: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let name = succeed(&mut generate(folder.path(), args));
    assert_eq!(names(folder.path()).len(), 1);
    fs::read(name.trim_end()).unwrap()
}

#[test]
fn generated_files_have_the_length_rate_and_number_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/b");
    let args = ["--seconds", "0.1", "--count", "3", "--seed", "5"];
    let told = succeed(&mut generate(&out, &args));
    let expected: Vec<_> =
        (0..3).map(|number| out.join(format!("step60-seed5-00{number}.wav"))).collect();
    assert_eq!(told.lines().map(PathBuf::from).collect::<Vec<_>>(), expected);
    assert_eq!(names(&out).len(), 3, "nothing else is there");
    for path in &expected {
        assert_eq!(hound::WavReader::open(path).unwrap().spec().sample_rate, 8000);
        assert_eq!(samples(path).len(), 800);
    }
    let bytes = |number: usize| fs::read(&expected[number]).unwrap();
    assert!(bytes(0) != bytes(1) && bytes(1) != bytes(2));
    // What is made of a number does not depend on what is made beside it.
    assert!(bytes(0) == generated(&["--seconds", "0.1", "--seed", "5"]));
}

#[test]
fn the_seed_decides_unless_the_temperature_is_0() {
    let short = ["--seconds", "0.05"];
    let with = |args: &[&str]| generated(&[&short, args].concat());
    let first = with(&["--seed", "1"]);
    assert!(first == with(&["--seed", "1"]));
    assert!(first != with(&["--seed", "2"]));
    let coldest = with(&["--temperature", "0", "--seed", "1"]);
    assert!(coldest != first);
    assert!(coldest == with(&["--temperature", "0", "--seed", "2"]));
    assert!(coldest == with(&["--top-k", "1"]));
}

/// Weights of 16 bits pass the check, and choose the same code unless two are about equally likely.
#[test]
fn rounded_weights_generate_nearly_the_same() {
    let args = ["--seconds", "0.01", "--temperature", "0"];
    let rounded = generated(&[&args[..], &["--precision", "int16"]].concat());
    let exact = generated(&[&args[..], &["--precision", "float32"]].concat());
    assert!(exact == generated(&args));
    let equal = exact.iter().zip(&rounded).filter(|(a, b)| a == b).count();
    assert!(exact.len() == rounded.len() && 2 * equal > exact.len(), "{equal} of {}", exact.len());
}

#[test]
fn samples_begin_with_the_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = clip("0_george_0.wav");
    let mut command = generate(folder.path(), &["--seconds", "0.05", "--count", "2", "--prefix"]);
    let told = succeed(command.arg(&prefix));
    let config = run_dir::config_file(&trained().join("run"));
    let data = Experiment::read(&config, &[]).unwrap().value.data;
    let quantiser = data.quantiser().unwrap();
    let heard = file::hear(&prefix, &data, &mut Findings::default()).unwrap();
    let decoded: Vec<f32> =
        heard.codes.iter().map(|&code| heard.level.restore(quantiser.decode(code))).collect();
    // As loud as the recording, which is far from full scale.
    let loudest = decoded.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    let original =
        samples(&prefix).into_iter().map(f64::from).fold(0.0, |peak: f64, x| peak.max(x.abs()));
    assert!((f64::from(loudest) * 32768.0 / original - 1.0).abs() < 0.1, "{loudest} {original}");
    let heard = folder.path().join("heard.wav");
    fs::write(&heard, wav_bytes(&decoded, 8000).unwrap()).unwrap();
    let (heard, made) = (samples(&heard), told.lines().map(|name| samples(Path::new(name))));
    for made in made {
        assert_eq!(made.len(), heard.len() + 400);
        assert!(made.starts_with(&heard));
    }
    assert_eq!(told.lines().count(), 2);
}

#[test]
fn without_a_folder_samples_are_kept_with_the_run() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("runs/audio/mine");
    fs::create_dir_all(run.join("checkpoints")).unwrap();
    for file in ["config.toml", "checkpoints/best.safetensors"] {
        fs::copy(trained().join("run").join(file), run.join(file)).unwrap();
    }
    let args = ["generate", "audio/mine", "--seconds", "0.01", "--device", "cpu"];
    let told = succeed(sashimi(temporary.path()).args(args));
    assert_eq!(told.trim_end(), "runs/audio/mine/samples/step60-seed0-000.wav");
    assert_eq!(samples(&temporary.path().join(told.trim_end())).len(), 80);
}

#[test]
fn files_are_ranked_by_their_bits() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    let speech = clip("7_jackson_10.wav");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let noise: Vec<f32> = (0..4000).map(|_| rng.random_range(-1.0..1.0)).collect();
    fs::write(path.join("noise.wav"), wav_bytes(&noise, 8000).unwrap()).unwrap();
    fs::write(path.join("empty.wav"), "").unwrap();
    let score = |args: &[&str]| {
        let mut command = sashimi(path);
        command.arg("score").arg(trained().join("run")).args(["--device", "cpu"]).args(args);
        command
    };
    let order = || {
        let mut command = score(&["empty.wav", "noise.wav"]);
        command.arg(&speech);
        command
    };

    let output = order().output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("skipped: cannot read empty.wav: the file is empty"), "{stderr}");
    assert!(stderr.contains("1 of 3 files could not be scored"), "{stderr}");
    let bits: Vec<f64> =
        stdout.lines().map(|line| line.split_once("  ").unwrap().0.parse().unwrap()).collect();
    let [noisy, spoken] = bits[..] else { panic!("{stdout}") };
    assert!(spoken + 1.0 < noisy, "{stdout}");

    let json = succeed(score(&["noise.wav", "--json"]).arg(&speech));
    let objects: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&objects[0]["file"], &objects[0]["count"]), (&"noise.wav".into(), &4000.into()));
    assert!((objects[1]["bits_per_sample"].as_f64().unwrap() - spoken).abs() < 1e-4, "{json}");
    assert_eq!(objects.len(), 2);

    fail(order().arg("--strict"), 1, &["empty.wav: the file is empty"]);
    fail(&mut score(&["empty.wav", "none.wav"]), 1, &["2 of 2 files"]);
}

/// The command on the program's page that needs neither data nor a run.
#[test]
fn the_cheapest_command_that_is_shown_succeeds() {
    let page = include_str!("../../../docs/sashimi.md");
    let mut shown = page
        .lines()
        .filter_map(|line| line.split('#').next()?.strip_prefix("cargo run -p sashimi -- config "));
    let folder = tempfile::tempdir().unwrap();
    let arguments = shown.next().unwrap().split_whitespace();
    let output = succeed(sashimi(folder.path()).arg("config").args(arguments));
    assert!(output.contains("\nbits = 8  # Bits of a code, 2 to 16.\n"), "{output}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sashimi(trained());
    command.args(["score", "run", "--device", "cpu"]).arg(clip("0_lucas_0.wav")).stdout(writer);
    let (output, stderr) = run(&mut command);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[test]
fn stability_is_told_as_text_json_and_chart() {
    let temporary = tempfile::tempdir().unwrap();
    let chart = temporary.path().join("new/level.svg");
    let stability = |args: &[&str]| {
        let mut command = sashimi(trained());
        command.args(["stability", "run", "--times", "1", "--device", "cpu"]).args(args);
        command
    };
    let json = succeed(stability(&["run", "--count", "2", "--json", "--plot"]).arg(&chart));
    assert_eq!(json.lines().count(), 2, "one object for each run");
    for line in json.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&object["run"], &object["step"]), (&"run".into(), &60.into()));
        assert_eq!((&object["unstable_channels"], &object["failure"]), (&0.into(), &Value::Null));
        assert!(object["channels"].as_i64().unwrap() > 0, "{object}");
        for radius in object["spectral_radius"].as_array().unwrap() {
            assert!((0.0..=1.0).contains(&radius[1].as_f64().unwrap()), "{object}");
        }
        for curve in ["level", "state"] {
            let last = object[curve].as_array().unwrap().last().unwrap();
            assert!(last[0].as_u64().is_some_and(|at| (250..=256).contains(&at)), "{object}");
            assert!(last[1].as_f64().unwrap() > 0.0, "{object}");
        }
    }
    let svg = fs::read_to_string(&chart).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let text = succeed(&mut stability(&["--count", "1"]));
    assert!(text.contains("spectral radius") && text.contains("0 of "), "{text}");
}

fn load(run: &Path, name: &str) -> Checkpoint {
    Checkpoint::load(&run.join("checkpoints").join(name)).unwrap()
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_says_how_to_go_on_and_exits_130() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut command = train(path, "run", 1_000_000);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let last = path.join("run/checkpoints/last.safetensors");
    wait_until(&mut child, || last.exists());
    let (code, _, stderr) = interrupt(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("everything is saved. Continue with --resume run"), "{stderr}");
    let step = load(&path.join("run"), "last.safetensors").meta.state.step;
    let resume = ["train", "--resume", "run", "--max-steps", &(step + 1).to_string()];
    let (_, stderr) = binary::succeed(sashimi(path).args(resume).args(["--device", "cpu"]));
    assert!(stderr.contains("sashimi generate run"), "it says what to do next: {stderr}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_generated() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = generate(folder.path(), &["--seconds", "10000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(&mut child, || !names(folder.path()).is_empty());
    let (code, stdout, stderr) = interrupt(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("what was generated so far is written"), "{stderr}");
    let path = folder.path().join("step60-seed0-000.wav");
    assert_eq!(Path::new(stdout.trim_end()), path);
    let _ = samples(&path);
    assert_eq!(names(folder.path()).len(), 1, "nothing is left beside it");
}

/// A folder `zoo` of five good clips and one with six channels, and of everything that can be wrong
/// with a file; the names of the latter.
fn zoo(folder: &Path) -> Vec<&'static str> {
    let zoo = folder.join("zoo");
    fs::create_dir(&zoo).unwrap();
    let at = |name: &str| zoo.join(name);
    for index in 10..15 {
        fs::copy(clip(&format!("4_nicolas_{index}.wav")), at(&format!("good-{index}.wav")))
            .unwrap();
    }
    let spec = |channels, sample_rate, bits_per_sample, sample_format| WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format,
    };
    let mut wav =
        WavWriter::create(at("surround.wav"), spec(6, 96_000, 24, SampleFormat::Int)).unwrap();
    for i in 0..6 * 48_000 {
        wav.write_sample((f64::from(i / 6) * 0.02).sin().mul_add(4e6, f64::from(i % 6)) as i32)
            .unwrap();
    }
    wav.finalize().unwrap();

    let good = fs::read(at("good-10.wav")).unwrap();
    let mut sizes = good.clone();
    sizes[40..44].copy_from_slice(&1_000_000u32.to_le_bytes());
    fs::write(at("sizes.wav"), sizes).unwrap();
    fs::write(at("truncated.wav"), &good[..good.len() / 2]).unwrap();
    fs::write(at("cut-header.wav"), &good[..30]).unwrap();
    fs::write(at("header-only.wav"), wav_bytes(&[], 8000).unwrap()).unwrap();
    fs::write(at("empty.wav"), "").unwrap();
    fs::write(at("text.wav"), "not a sound at all").unwrap();
    let mut wav = WavWriter::create(at("nan.wav"), spec(1, 8000, 32, SampleFormat::Float)).unwrap();
    for i in 0..4000 {
        wav.write_sample(if i == 2000 { f32::NAN } else { 0.1 }).unwrap();
    }
    wav.finalize().unwrap();
    File::create(at("sparse.wav")).unwrap().set_len(2 << 30).unwrap();
    fs::create_dir(at("folder.wav")).unwrap();
    let mut bad = vec![
        "sizes.wav",
        "truncated.wav",
        "cut-header.wav",
        "header-only.wav",
        "empty.wav",
        "text.wav",
        "nan.wav",
        "sparse.wav",
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::write(at("secret.wav"), &good).unwrap();
        fs::set_permissions(at("secret.wav"), fs::Permissions::from_mode(0o000)).unwrap();
        // For root it is a good file like the others.
        match File::open(at("secret.wav")) {
            Ok(_) => fs::remove_file(at("secret.wav")).unwrap(),
            Err(_) => bad.push("secret.wav"),
        }
    }
    bad
}

#[test]
fn damaged_files_are_named_and_skipped_unless_training_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let bad = zoo(path);
    fail(train_on(path, "zoo", "strict", 4).arg("--strict"), 1, &["cannot read ", "remove it"]);
    assert!(!path.join("strict").exists(), "nothing is left behind");

    let (_, stderr) = binary::succeed(&mut train_on(path, "zoo", "run", 4));
    for name in &bad {
        assert!(stderr.contains(&format!("skipped: {name}: ")), "{name} is not in: {stderr}");
    }
    assert_eq!(stderr.matches("skipped: ").count(), bad.len(), "{stderr}");
    assert!(stderr.contains("data: 6 recordings"), "{stderr}");
    assert!(stderr.contains("at 8000 Hz"), "the rate of most files: {stderr}");
    succeed(sashimi(path).args(["evaluate", "run", "--device", "cpu"]));

    // The cache remembers what it had to leave out.
    fail(train_on(path, "zoo", "strict", 4).arg("--strict"), 1, &["cannot read ", "remove it"]);
    let mut strict = train_on(path, "zoo", "strict", 4);
    fail(set(&mut strict, &["data.strict=true"]), 1, &["cannot read ", "remove it"]);
    for name in bad {
        fs::remove_file(path.join("zoo").join(name)).unwrap();
    }
    succeed(train_on(path, "zoo", "strict", 4).arg("--strict"));
}

#[test]
fn a_recording_of_any_kind_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("one")).unwrap();
    let tone: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.05).sin()).collect();
    fs::write(path.join("one/tone.wav"), wav_bytes(&tone, 22_050).unwrap()).unwrap();
    let mut command = sashimi(path);
    command.args(["train", "--data", "one", "--device", "cpu", "--max-steps", "3"]);
    set(&mut command, TINY);
    let (_, stderr) =
        binary::succeed(set(&mut command, &["data.bits=6", "data.companding=linear"]));
    assert!(stderr.contains("preset: small"), "{stderr}");
    assert!(stderr.contains("at 16000 Hz") && stderr.contains("divided by time"), "{stderr}");
    let told = succeed(
        sashimi(path)
            .args(["generate", "audio/one-small-001", "--seconds", "0.01", "--device", "cpu"])
            .args(["--prefix", "one/tone.wav"]),
    );
    let made = path.join(told.trim_end());
    assert_eq!(hound::WavReader::open(&made).unwrap().spec().sample_rate, 16_000);
    assert_eq!(samples(&made).len(), 16_160);
    // Six bits: no more than 64 different samples.
    assert!(BTreeSet::from_iter(samples(&made)).len() <= 64);
}

#[test]
fn audio_that_is_not_there_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("papers")).unwrap();
    fs::write(path.join("papers/notes.txt"), "notes").unwrap();
    let on = |data| train_on(path, data, "run", 1);
    fail(&mut on("papers"), 1, &["no audio files in papers", ".wav, .flac, .ogg or .mp3"]);
    fail(&mut on("papers/notes.txt"), 1, &["papers/notes.txt is a file; name the folder"]);
    fail(&mut on("none"), 1, &["cannot open the data folder none; check the path"]);
    fail(&mut on("sc09"), 1, &["data/sc09; check the path"]);
    fs::write(path.join("papers/bad.wav"), "").unwrap();
    fail(&mut on("papers"), 1, &["none of the 1 audio files in papers", "the file is empty"]);
    assert!(!path.join("run").exists() && !path.join("runs").exists(), "nothing is left behind");
}

#[test]
fn wrong_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with = |setting: &str| {
        let mut command = train(path, "run", 1);
        command.args(["--set", setting]);
        command
    };
    fail(&mut with("data.lenght=64"), 2, &["data.lenght", "did you mean", "length"]);
    fail(&mut with("data.scaling=\"loud\""), 2, &["data.scaling", "recording"]);
    fail(&mut with("data.bits=1"), 1, &["data.bits"]);
    fail(&mut with("data.segment=100"), 1, &["data.segment is 100", "multiple", "16"]);
    fail(&mut with("data.sample_rate=5"), 1, &["5 Hz"]);
    fail(&mut with("model.layer.bidirectional=true"), 1, &["bidirectional", "looks ahead"]);
    let mut long = with("data.length=100000");
    fail(set(&mut long, &["data.cut=windows"]), 1, &["val split", "use shorter windows"]);
    let preset = ["train", "--data", "digits", "--preset", "large"];
    fail(sashimi(path).args(preset), 2, &["`large`", "paper", "small", "youtubemix"]);
    fail(sashimi(path).args(["train", "--config", "none.toml"]), 1, &["none.toml"]);
    assert!(!path.join("run").exists(), "nothing is left behind");
}

#[test]
fn wrong_usage_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let wrong: [&[&str]; 9] = [
        &[],
        &["listen"],
        &["generate"],
        &["score", "run"],
        &["evaluate", "run", "--split", "train"],
        &["generate", "run", "--seconds", "long"],
        &["generate", "run", "--precision", "int8"],
        &["train", "--resume", "run", "--preset", "small"],
        &["train", "--data", "digits", "--no-such-flag"],
    ];
    for args in wrong {
        let (output, stderr) = run(sashimi(path).args(args));
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    fail(sashimi(path).arg("train"), 2, &["--data", "--config", "--resume"]);
    assert!(names(path).is_empty(), "nothing is left behind");
}

#[test]
fn values_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    fs::write(out.join("text.wav"), "not a sound at all").unwrap();
    let text = out.join("text.wav");
    let wrong: [(&[&str], &[&str]); 11] = [
        (&["--count", "0"], &["--count"]),
        (&["--seconds", "1e12"], &["--seconds is 1000000000000", "at most 268435 at 8000 Hz"]),
        (&["--seconds", "0"], &["--seconds"]),
        (&["--seconds=-1"], &["--seconds"]),
        (&["--seconds", "nan"], &["--seconds"]),
        (&["--temperature=-1"], &["temperature", "-1"]),
        (&["--temperature", "inf"], &["temperature"]),
        (&["--top-k", "0"], &["top-k"]),
        (&["--top-p", "1.5"], &["top-p", "1.5"]),
        (&["--prefix", "none.wav"], &["--prefix", "none.wav"]),
        (&["--prefix", text.to_str().unwrap()], &["--prefix", "text.wav"]),
    ];
    for (args, words) in wrong {
        fail(&mut generate(out, args), 1, words);
    }
    let gpu = ["evaluate", "run", "--device", "cuda:99"];
    fail(sashimi(trained()).args(gpu), 1, &["--device cuda:99"]);
    fail(&mut generate(&text, &["--seconds", "0.01"]), 1, &["cannot make the folder", "text.wav"]);
    let stability = |args: &[&str]| {
        let mut command = sashimi(trained());
        command.args(["stability", "run"]).args(args);
        command
    };
    fail(&mut stability(&["--times", "0"]), 1, &["--times"]);
    fail(&mut stability(&["--count", "0"]), 1, &["--count"]);
    assert_eq!(names(out).len(), 1, "nothing is left behind");
}

#[test]
fn a_run_that_is_not_there_or_not_whole_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for args in [
        &["train", "--resume", "nothing"][..],
        &["generate", "nothing"],
        &["evaluate", "nothing"],
        &["score", "nothing", "a.wav"],
        &["stability", "nothing"],
    ] {
        fail(sashimi(path).args(args), 1, &["no run nothing", "config.toml"]);
    }
    assert!(names(path).is_empty(), "nothing is left behind");

    let run = path.join("run");
    fs::create_dir_all(run.join("checkpoints")).unwrap();
    let copy = |file: &str| fs::copy(trained().join("run").join(file), run.join(file)).unwrap();
    copy("config.toml");
    let generate = || {
        let mut command = sashimi(path);
        command.args(["generate", "run", "--seconds", "0.01", "--device", "cpu"]);
        command
    };
    fail(&mut generate(), 1, &["run has no checkpoint yet", "--resume run"]);
    copy("checkpoints/last.safetensors");
    fail(&mut generate(), 1, &["best weights are gone", "name run/checkpoints/last.safetensors"]);
    let last = ["generate", "run/checkpoints/last.safetensors", "--seconds", "0.01"];
    succeed(sashimi(path).args(last).args(["--device", "cpu"]));
    let best = run.join("checkpoints/best.safetensors");
    let bytes = fs::read(trained().join("run/checkpoints/best.safetensors")).unwrap();
    fs::write(&best, &bytes[..bytes.len() - 100]).unwrap();
    fail(&mut generate(), 1, &["best.safetensors", "damaged"]);
}
