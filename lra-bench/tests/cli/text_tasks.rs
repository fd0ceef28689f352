//! ListOps, Text and Retrieval: from files to scores, and through the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use datasets::batch::{Batch, Sequences};
use datasets::shape::{Shape, Target};
use datasets::tasks;
use lra_bench::experiment::{Experiment, Preset};
use lra_bench::objective::Supervised;
use s4_config::Input;
use tch::Device;
use training::objective::{Objective, Phase};

use crate::binary::{
    assert_same, evaluate, fail, lra_bench, predict, predictions, records, run, succeed,
    train_small, with_input,
};
use crate::text_files::{files, write};

/// A model that trains in a moment.
const TINY: [&str; 6] = [
    "model.d_model=8",
    "model.n_layers=2",
    "model.layer.ssm.d_state=4",
    "train.batch_size=8",
    "train.workers=1",
    "train.eval_every=\"epoch\"",
];

const NAMES: [&str; 3] = ["listops", "text", "retrieval"];

/// The numbers of parameters of the official experiments' backbones, words and characters.
#[test]
fn paper_presets_are_the_official_models() {
    let vocabulary = |size| Input::Tokens { vocabulary: size };
    for (name, backbone, input, classes) in [
        ("listops", 808_008, vocabulary(18), 10),
        ("text", 808_520, vocabulary(135), 2),
        ("retrieval", 808_520, vocabulary(98), 2),
    ] {
        let task = tasks::find(name).unwrap();
        let experiment = Experiment::preset(task, Preset::Paper, &[]).unwrap().value;
        let target = match Target::numbered(classes) {
            Target::Classes(names) if name == "retrieval" => Target::Pair(names),
            target => target,
        };
        let shape = Shape { input, target };
        let model = Supervised::new(&experiment, &shape, Device::Cpu).unwrap();
        let count = |part: &str| -> usize {
            let parameters = model.params().parameters();
            parameters.filter(|(name, ..)| name.starts_with(part)).map(|(_, t, _)| t.numel()).sum()
        };
        assert_eq!(count("model."), backbone, "{name}");
        let Input::Tokens { vocabulary } = input else { unreachable!() };
        assert_eq!(count("encoder."), 256 * vocabulary as usize, "{name}");
        let (layer, ssm) = (&experiment.model.layer, &experiment.model.layer.ssm);
        assert_eq!(layer.l_max.map(|length| length as usize), task.length, "{name}");
        assert!(layer.bidirectional && ssm.d_state == 4, "{name}");
    }
}

/// Same scores for an example alone and behind any amount of padding, whatever is in there.
#[test]
fn padding_changes_no_result() {
    for task in NAMES {
        let folder = tempfile::tempdir().unwrap();
        files(task, &folder.path().join("files"));
        let (dir, cache) = (folder.path().join("files"), folder.path().join("cache"));
        let data = format!("dir = {dir:?}\ncache = {cache:?}").parse().unwrap();
        let splits = tasks::find(task).unwrap().open(&data, false).unwrap();
        for norm in ["\"batch\"", "\"layer\""] {
            let mut overrides = TINY.map(str::to_owned).to_vec();
            overrides.push(format!("model.norm={norm}"));
            let task = tasks::find(task).unwrap();
            let experiment = Experiment::preset(task, Preset::Small, &overrides).unwrap().value;
            let model = Supervised::new(&experiment, &splits.shape, Device::Cpu).unwrap();
            let scores = |batch: &Batch| {
                let batch = model.upload(batch).unwrap();
                model.outputs(&batch, Phase::Eval).unwrap()
            };
            let all: Vec<usize> = (0..splits.val.len()).collect();
            let mut batch = splits.val.batch(&all).unwrap();
            let padded = batch.lengths.as_ref().unwrap().iter().sum::<i64>();
            assert!(
                (padded as usize) < batch.length * batch.lengths.as_ref().unwrap().len(),
                "nothing is padded"
            );
            let together = scores(&batch);
            for &number in &all {
                let alone = scores(&splits.val.batch(&[number]).unwrap());
                let error = (together.get(number as i64) - alone.get(0)).abs().max();
                let error = error.double_value(&[]);
                assert!(error < 1e-5, "{} {norm}: {error:.1e}", task.name);
            }
            let lengths = batch.lengths.clone().unwrap();
            let length = batch.length;
            let Sequences::Tokens(tokens) = &mut batch.sequences else { unreachable!() };
            for (row, valid) in tokens.chunks_mut(length).zip(lengths) {
                row[valid as usize..].fill(7);
            }
            let error = (together - scores(&batch)).abs().max().double_value(&[]);
            assert!(error < 1e-5, "{} {norm}: padding is seen, {error:.1e}", task.name);
        }
    }
}

// Through the program.

fn train(folder: &Path, task: &str, settings: &[&str]) -> Command {
    let mut command = train_small(folder, task, &[&TINY, settings].concat());
    command.args(["--max-steps", "3", "--run-dir", "run"]);
    command
}

#[test]
fn listops_trains_on_generated_expressions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings = ["data.count=40", "data.eval_count=10", "data.lengths=[5, 20]"];
    let (_, stderr) = succeed(&mut train(path, "listops", &settings));
    assert!(stderr.contains("no --data, so 40 expressions of 5 to 20 tokens"), "{stderr}");
    assert!(path.join("data/cache/listops-seed0-40-10-5-20.tokens").is_file());
    let object = evaluate(path, "run", &[]);
    assert_eq!((&object["task"], &object["count"]), (&"listops".into(), &10.into()));
    let wrong = ["data.lengths=[5, 9999]"];
    let _ = fs::remove_dir_all(path.join("run"));
    fail(&mut train(path, "listops", &wrong), 1, &["5 to 9999", "at most 2047"]);
    let _ = fs::remove_dir_all(path.join("run"));
    fail(
        &mut train(path, "listops", &["data.validation=test"]),
        2,
        &["data.validation", "listops"],
    );
}

#[test]
fn generated_listops_files_are_official_and_train() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generate = ["generate-data", "--task", "listops", "--count", "50", "--seed", "3"];
    let (made, _) = succeed(lra_bench(path).args(generate).args(["--out", "lra"]));
    assert_eq!(made.trim(), "lra/listops-1000");
    let rows = |folder: &str, name: &str| {
        let text = fs::read_to_string(path.join(folder).join("listops-1000").join(name)).unwrap();
        assert!(text.starts_with("Source\tTarget\r\n( ") && text.ends_with("\r\n"));
        text.lines().count() - 1
    };
    let names = ["basic_train.tsv", "basic_val.tsv", "basic_test.tsv"];
    assert_eq!(names.map(|name| rows("lra", name)), [50, 1, 1]);
    succeed(lra_bench(path).args(generate).args(["--out", "again"]));
    for name in names {
        let read = |folder: &str| fs::read(path.join(folder).join("listops-1000").join(name));
        assert!(read("lra").unwrap() == read("again").unwrap(), "{name} differs");
    }
    fail(lra_bench(path).args(generate).args(["--out", "lra"]), 1, &["is there already"]);
    let hard = ["--out", "x", "--difficulty", "hard"];
    fail(lra_bench(path).args(generate).args(hard), 2, &["--difficulty", "listops"]);

    let (_, stderr) = succeed(train(path, "listops", &[]).args(["--data", "lra"]));
    assert!(stderr.contains("50 + 1 + 1 expressions in lra/listops-1000"), "{stderr}");
    // A file that is cut off is noticed although its tokens were kept.
    let file = path.join("lra/listops-1000/basic_test.tsv");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    let again = ["evaluate", "run", "--device", "cpu"];
    fail(lra_bench(path).args(again), 1, &["basic_test.tsv, line 2", "cut off"]);
}

#[test]
fn text_trains_and_its_run_keeps_the_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fail(&mut train(path, "text", &[]), 1, &["aclImdb", "data/text", "--data DIR"]);
    let _ = fs::remove_dir_all(path.join("run"));
    files("text", &path.join("data"));
    let (_, stderr) = succeed(&mut train(path, "text", &["data.validation=\"test\""]));
    assert!(stderr.contains("40 reviews to train on and 12 to test in data/aclImdb"), "{stderr}");
    let config = fs::read_to_string(path.join("run/config.toml")).unwrap();
    assert!(config.contains("vocabulary = \""), "{config}");
    let accuracy = evaluate(path, "run", &[])["accuracy"].clone();
    // The characters of other training texts do not matter.
    files("text", &path.join("other"));
    write(&path.join("other/aclImdb/train/pos/90_8.txt"), &"zzz".repeat(500));
    let object = evaluate(path, "run", &["--data", "other"]);
    assert_eq!((&object["accuracy"], &object["count"]), (&accuracy, &12.into()));
    let _ = fs::remove_dir_all(path.join("run"));
    fail(&mut train(path, "text", &["data.validation=\"dev\""]), 2, &["validation", "held-out"]);
}

#[test]
fn retrieval_trains_from_official_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let file = files("retrieval", &path.join("lra"));
    succeed(train(path, "retrieval", &[]).args(["--data", "lra"]));
    assert_eq!(evaluate(path, "run", &["--split", "val"])["count"], 9);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 20]).unwrap();
    let again = ["evaluate", "run", "--device", "cpu"];
    fail(lra_bench(path).args(again), 1, &["new_aan_pairs.eval.tsv, line 9", "cut off"]);
}

#[test]
fn a_text_is_taken_for_what_evaluate_takes_it_for() {
    for task in NAMES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let data = path.join("data");
        files(task, &data);
        succeed(train(path, task, &[]).arg("--data").arg(&data));
        let evaluated = predictions(path, "run");
        let inputs = match task {
            "listops" => {
                let text = fs::read_to_string(data.join("listops-1000/basic_test.tsv")).unwrap();
                let expressions = text.lines().skip(1).map(|line| line.split('\t').next().unwrap());
                let expressions: Vec<_> = expressions.collect();
                write(&path.join("expressions.txt"), &expressions.join("\n"));
                vec!["expressions.txt".to_owned()]
            }
            "text" => ["neg", "pos"].map(|class| format!("data/aclImdb/test/{class}")).into(),
            _ => vec!["data/tsv_data/new_aan_pairs.test.tsv".to_owned()],
        };
        let predicted = predict(path, "run", &inputs);
        assert_same(&predicted, &evaluated);

        // The same from standard input, a line each.
        let lines = match task {
            "text" => "A very dull film.<br />\nA fine film!\n".to_owned(),
            _ => fs::read_to_string(path.join(&inputs[0])).unwrap(),
        };
        let mut command = lra_bench(path);
        command.args(["predict", "run", "--device", "cpu", "--csv", "-"]);
        let piped = records(&with_input(&mut command, &lines).0);
        if task == "text" {
            assert_eq!(piped.len(), 3);
        } else {
            assert_same(&piped[1..], &evaluated);
            assert_eq!((&*piped[1][0], &*predicted[1][0]), ("-:1", &*format!("{}:2", inputs[0])));
        }
        let wrong = match task {
            "listops" => ("[MAX 3", ":1: it is cut off: 1 lists are not ended"),
            "text" => continue,
            _ => ("one text", ":1: it has 1 columns divided by tabs, expected the two texts"),
        };
        write(
            &path.join("wrong.txt"),
            &format!("{}\n{}\n", wrong.0, lines.lines().next().unwrap()),
        );
        let mut command = lra_bench(path);
        let (output, stderr) =
            run(command.args(["predict", "run", "wrong.txt", "--device", "cpu"]));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr.contains(wrong.1) && stderr.contains("1 of 2 inputs"), "{stderr}");
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
