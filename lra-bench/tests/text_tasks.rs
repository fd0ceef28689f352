//! ListOps, Text and Retrieval: from files to batches and scores, and through the program.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lra_bench::data::batch::{Batch, Sequences};
use lra_bench::experiment::{DataConfig, Experiment, Preset};
use lra_bench::model::{InputKind, Shape};
use lra_bench::objective::Classification;
use lra_bench::tasks::text::Validation;
use lra_bench::tasks::{self, Splits};
use program::{evaluate, fail, lra_bench, succeed, train_small};
use tch::Device;
use training::objective::{Objective, Phase};

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

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Small files in the official format of a task below `dir`; gives one of them.
fn files(task: &str, dir: &Path) -> PathBuf {
    match task {
        "listops" => {
            for (name, rows) in [("train", 24), ("val", 9), ("test", 10)] {
                let mut text = "Source\tTarget\r\n".to_owned();
                for row in 0..rows {
                    let (a, b) = (row % 10, (row + name.len()) % 7);
                    let nested = "( ( ( [MIN 9 ) 8 ) ] )";
                    let value = (a + b + 8) % 10;
                    let expression = match row % 3 {
                        0 => format!("( ( ( ( [SM {a} ) {b} ) {nested} ) ] )"),
                        1 => format!("( ( ( ( ( [SM {a} ) {b} ) {nested} ) 0 ) ] )"),
                        _ => format!("( ( ( ( [SM {nested} ) {a} ) {b} ) ] )"),
                    };
                    text += &format!("{expression}\t{value}\r\n");
                }
                write(&dir.join(format!("listops-1000/basic_{name}.tsv")), &text);
            }
            dir.join("listops-1000/basic_val.tsv")
        }
        "text" => {
            for (part, count) in [("train", 20), ("test", 6)] {
                for number in 0..count {
                    let long = "very ".repeat(number % 5);
                    let folder = dir.join("aclImdb").join(part);
                    write(
                        &folder.join(format!("neg/{number}_2.txt")),
                        &format!("A {long}dull film.<br />"),
                    );
                    write(
                        &folder.join(format!("pos/{number}_9.txt")),
                        &format!("A {long}fine film!"),
                    );
                }
            }
            dir.join("aclImdb/train/neg/3_2.txt")
        }
        _ => {
            for (part, count) in [("train", 24), ("eval", 9), ("test", 10)] {
                let mut text = String::new();
                for row in 0..count {
                    let label = f64::from(row % 2);
                    let long = "of \"parsing\" ".repeat(row as usize % 4);
                    let second = if row % 2 == 1 { "trees" } else { "speech" };
                    text += &format!("{label:.1}\tP{row}\t{part}\ton {long}trees\ton {second}\n");
                }
                write(&dir.join(format!("tsv_data/new_aan_pairs.{part}.tsv")), &text);
            }
            dir.join("tsv_data/new_aan_pairs.eval.tsv")
        }
    }
}

fn config(folder: &Path) -> DataConfig {
    let (dir, cache) = (folder.join("files"), folder.join("cache"));
    DataConfig { dir: Some(dir), cache: Some(cache), ..DataConfig::default() }
}

fn open(task: &str, config: &DataConfig) -> Splits {
    (tasks::find(task).unwrap().open)(config).unwrap()
}

/// The message with which opening fails.
fn refused(task: &str, config: &DataConfig) -> String {
    match (tasks::find(task).unwrap().open)(config) {
        Ok(splits) => panic!("opened: {}", splits.origin),
        Err(error) => format!("{error:#}"),
    }
}

fn tokens(batch: &Batch) -> &[i64] {
    let Sequences::Tokens(tokens) = &batch.sequences else { panic!("expected tokens") };
    tokens
}

/// The valid tokens of every sequence of a batch.
fn sequences(batch: &Batch) -> Vec<Vec<i64>> {
    let lengths = batch.lengths.as_ref().unwrap();
    let rows = tokens(batch).chunks(batch.length);
    rows.zip(lengths).map(|(row, &length)| row[..length as usize].to_vec()).collect()
}

#[test]
fn expressions_become_tokens_with_an_end() {
    let folder = tempfile::tempdir().unwrap();
    files("listops", &folder.path().join("files"));
    let splits = open("listops", &config(folder.path()));
    assert_eq!(splits.shape.input, InputKind::Tokens { vocabulary: 18 });
    assert_eq!((splits.shape.classes, splits.shape.pairs), (10, false));
    assert_eq!([&splits.train, &splits.val, &splits.test].map(|s| s.len()), [24, 9, 10]);
    let batch = splits.train.batch(&[0, 1]).unwrap();
    // [SM 0 5 [MIN 9 8 ] ]; [SM 1 6 [MIN 9 8 ] 0 ], each with the end token.
    let first = vec![16, 3, 8, 13, 12, 11, 17, 17, 2];
    let second = vec![16, 4, 9, 13, 12, 11, 17, 3, 17, 2];
    assert_eq!(sequences(&batch), [first, second]);
    assert_eq!(tokens(&batch)[9], 0, "padding");
    assert_eq!(batch.labels, [3, 5]);
    assert_eq!([splits.train.length(0), splits.train.length(1)], [9, 10]);
}

/// 2,048 tokens, as officially: of longer expressions the end is missing.
#[test]
fn expressions_that_are_too_long_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    files("listops", &folder.path().join("files"));
    let path = folder.path().join("files/listops-1000/basic_test.tsv");
    write(&path, &format!("Source\tTarget\r\n[MAX {}]\t1\r\n", "1 ".repeat(3000)));
    let splits = open("listops", &config(folder.path()));
    let sequence = &sequences(&splits.test.batch(&[0]).unwrap())[0];
    assert_eq!((sequence.len(), sequence[0], sequence[2046], sequence[2047]), (2048, 14, 4, 2));
}

#[test]
fn expressions_are_generated_once() {
    let folder = tempfile::tempdir().unwrap();
    let made = DataConfig {
        count: Some(30),
        eval_count: Some(10),
        lengths: Some([10, 40].into()),
        dir: None,
        ..config(folder.path())
    };
    let splits = open("listops", &made);
    assert!(splits.origin.contains("no --data"), "{}", splits.origin);
    let all: Vec<usize> = (0..30).collect();
    let batch = splits.train.batch(&all).unwrap();
    assert!(batch.lengths.as_ref().unwrap().iter().all(|length| (11..=41).contains(length)));
    let cache = folder.path().join("cache/listops-seed0-30-10-10-40.tokens");
    let written = fs::metadata(&cache).unwrap().modified().unwrap();
    assert_eq!(open("listops", &made).train.batch(&all).unwrap(), batch);
    assert_eq!(fs::metadata(&cache).unwrap().modified().unwrap(), written, "it was used");
    let other = open("listops", &DataConfig { seed: Some(1), ..made.clone() });
    assert_ne!(other.train.batch(&all).unwrap(), batch);
    let wrong = DataConfig { lengths: Some([40, 10].into()), ..made };
    assert!(refused("listops", &wrong).contains("40 to 10 tokens"));
}

#[test]
fn reviews_become_characters() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("files");
    files("text", &dir);
    // Fifteen occurrences are enough, fourteen are not.
    write(&dir.join("aclImdb/train/pos/90_8.txt"), &"é".repeat(15));
    write(&dir.join("aclImdb/train/neg/90_1.txt"), &"ß".repeat(14));
    let official = DataConfig { validation: Some(Validation::Test), ..config(folder.path()) };
    let splits = open("text", &official);
    let characters: Vec<char> = splits.config.vocabulary.as_ref().unwrap().chars().collect();
    assert!(characters.contains(&'é') && !characters.contains(&'ß'), "{characters:?}");
    let vocabulary = characters.len() as i64 + 3;
    assert_eq!(splits.shape.input, InputKind::Tokens { vocabulary });
    assert_eq!((splits.shape.classes, splits.shape.pairs), (2, false));

    // Unfavourable ones first, by name: 0_2, 10_2, ..., 8_2, 90_1, 9_2.
    let batch = splits.train.batch(&[0, 19, 40]).unwrap();
    assert_eq!(batch.labels, [0, 0, 1]);
    let text = |sequence: &[i64]| -> String {
        let (end, kept) = sequence.split_last().unwrap();
        assert_eq!(*end, 2);
        kept.iter().map(|&t| if t == 1 { '?' } else { characters[t as usize - 3] }).collect()
    };
    let texts: Vec<_> = sequences(&batch).iter().map(|sequence| text(sequence)).collect();
    assert_eq!(texts[0], "A dull film.<br />");
    assert_eq!(texts[1], "?".repeat(14));
    assert_eq!(texts[2], "é".repeat(15));

    let short = DataConfig { max_length: Some(5), ..official.clone() };
    let batch = open("text", &short).train.batch(&[0]).unwrap();
    assert_eq!((batch.length, batch.lengths), (5, Some(vec![5])));
    let too_short = DataConfig { max_length: Some(1), ..official };
    assert!(refused("text", &too_short).contains("data.max_length is 1"));
}

#[test]
fn validation_is_a_held_out_tenth_or_the_test_reviews() {
    let folder = tempfile::tempdir().unwrap();
    files("text", &folder.path().join("files"));
    let held_out = open("text", &config(folder.path()));
    let sizes = |splits: &Splits| [&splits.train, &splits.val, &splits.test].map(|s| s.len());
    assert_eq!(sizes(&held_out), [36, 4, 12]);
    let official = DataConfig { validation: Some(Validation::Test), ..config(folder.path()) };
    let official = open("text", &official);
    assert_eq!(sizes(&official), [40, 12, 12]);
    let all: Vec<usize> = (0..12).collect();
    assert_eq!(official.val.batch(&all).unwrap(), official.test.batch(&all).unwrap());
    let seed = |seed| {
        let splits = open("text", &DataConfig { seed: Some(seed), ..config(folder.path()) });
        splits.val.batch(&[0, 1, 2, 3]).unwrap()
    };
    assert_eq!(seed(1), seed(1));
    assert_ne!(seed(1), seed(2));
}

/// Other training texts have other frequent characters, but a trained model's tokens stay.
#[test]
fn a_run_keeps_its_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    files("text", &folder.path().join("files"));
    let kept = open("text", &config(folder.path())).config;
    let elsewhere = folder.path().join("elsewhere");
    files("text", &elsewhere);
    write(&elsewhere.join("aclImdb/train/pos/90_8.txt"), &"zzz".repeat(500));
    let dir = Some(elsewhere.clone());
    let anew = open("text", &DataConfig { dir: dir.clone(), ..config(folder.path()) });
    assert_ne!(anew.config.vocabulary, kept.vocabulary);
    let same = open("text", &DataConfig { dir, ..kept.clone() });
    assert_eq!(same.config.vocabulary, kept.vocabulary);
    let before = open("text", &kept).test.batch(&[0, 11]).unwrap();
    assert_eq!(same.test.batch(&[0, 11]).unwrap(), before);
    assert_ne!(anew.test.batch(&[0, 11]).unwrap(), before);
}

#[test]
fn pairs_have_two_towers() {
    let folder = tempfile::tempdir().unwrap();
    files("retrieval", &folder.path().join("files"));
    let splits = open("retrieval", &config(folder.path()));
    assert_eq!(splits.shape.input, InputKind::Tokens { vocabulary: 98 });
    assert_eq!((splits.shape.classes, splits.shape.pairs), (2, true));
    assert_eq!([&splits.train, &splits.val, &splits.test].map(|s| s.len()), [24, 9, 10]);
    let batch = splits.train.batch(&[0, 1]).unwrap();
    let text = |sequence: &Vec<i64>| -> String {
        assert_eq!(sequence.last(), Some(&2));
        let kept = &sequence[..sequence.len() - 1];
        kept.iter().map(|&token| (token as u8 - 3 + b' ') as char).collect()
    };
    let texts: Vec<String> = sequences(&batch).iter().map(text).collect();
    assert_eq!(texts, ["on trees", "on of \"parsing\" trees", "on speech", "on trees"]);
    assert_eq!(batch.labels, [0, 1]);
    assert_eq!(splits.train.length(1), 22, "of the longer text");

    let path = folder.path().join("files/tsv_data/new_aan_pairs.test.tsv");
    write(&path, &format!("1.0\ta\tb\té\t{}\n", "x".repeat(9000)));
    let batch = open("retrieval", &config(folder.path())).test.batch(&[0]).unwrap();
    assert_eq!(batch.lengths, Some(vec![2, 4000]));
    assert_eq!(tokens(&batch)[..3], [1, 2, 0]);
}

#[test]
fn tokens_are_kept_until_their_source_changes() {
    for task in NAMES {
        let folder = tempfile::tempdir().unwrap();
        let file = files(task, &folder.path().join("files"));
        let config = config(folder.path());
        let vocabulary = open(task, &config).config.vocabulary;
        let config = DataConfig { vocabulary, ..config };
        let names = || {
            let cache = fs::read_dir(folder.path().join("cache")).unwrap();
            cache.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let [cache] = &names()[..] else { panic!("{task}: {:?}", names()) };
        let written = || fs::metadata(cache).unwrap().modified().unwrap();
        let first = written();
        open(task, &config);
        assert_eq!(written(), first, "{task}: tokenised once");
        // Another source of the same size: `[SM 0 3` with a sum of 1 instead.
        let text = fs::read_to_string(&file).unwrap();
        let changed = match task {
            "listops" => text.replacen("[SM 0 ) 3", "[SM 1 ) 2", 1),
            "text" => text.replacen('l', "m", 1),
            _ => text.replacen('s', "m", 1),
        };
        assert!(changed != text && changed.len() == text.len(), "{task}");
        fs::write(&file, changed).unwrap();
        let after = open(task, &config);
        let kept = after.config;
        let tokens = |config: &DataConfig| {
            let splits = open(task, config);
            let train = splits.train.batch(&(0..splits.train.len()).collect::<Vec<_>>()).unwrap();
            (train, splits.val.batch(&(0..splits.val.len()).collect::<Vec<_>>()).unwrap())
        };
        let found = tokens(&kept);
        let afresh = DataConfig { cache: Some(folder.path().join("fresh")), ..kept };
        assert!(found == tokens(&afresh), "{task}: tokens of an older source");
        // Damage is noticed, too.
        let bytes = fs::read(cache).unwrap();
        fs::write(cache, &bytes[..bytes.len() - 1]).unwrap();
        assert!(found == tokens(&config), "{task}: damaged tokens");
    }
}

/// The official experiments' backbones have so many parameters, and their words and characters.
#[test]
fn paper_presets_are_the_official_models() {
    let vocabulary = |size| InputKind::Tokens { vocabulary: size };
    for (name, backbone, input, classes) in [
        ("listops", 808_008, vocabulary(18), 10),
        ("text", 808_520, vocabulary(135), 2),
        ("retrieval", 808_520, vocabulary(98), 2),
    ] {
        let task = tasks::find(name).unwrap();
        let experiment = Experiment::preset(task, Preset::Paper, &[]).unwrap().value;
        let shape = Shape { input, classes, pairs: name == "retrieval" };
        let model = Classification::new(&experiment, shape, Device::Cpu).unwrap();
        let count = |part: &str| -> usize {
            let parameters = model.params().parameters();
            parameters.filter(|(name, ..)| name.starts_with(part)).map(|(_, t, _)| t.numel()).sum()
        };
        assert_eq!(count("model."), backbone, "{name}");
        let InputKind::Tokens { vocabulary } = input else { unreachable!() };
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
        let splits = open(task, &config(folder.path()));
        for norm in ["\"batch\"", "\"layer\""] {
            let mut overrides = TINY.map(str::to_owned).to_vec();
            overrides.push(format!("model.norm={norm}"));
            let task = tasks::find(task).unwrap();
            let experiment = Experiment::preset(task, Preset::Small, &overrides).unwrap().value;
            let model = Classification::new(&experiment, splits.shape, Device::Cpu).unwrap();
            let scores = |batch: &Batch| {
                let batch = model.upload(batch).unwrap();
                model.logits(&batch, Phase::Eval).unwrap()
            };
            let all: Vec<usize> = (0..splits.val.len()).collect();
            let mut batch = splits.val.batch(&all).unwrap();
            let padded = batch.lengths.as_ref().unwrap().iter().sum::<i64>();
            assert!((padded as usize) < tokens(&batch).len(), "nothing is padded");
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

#[test]
fn damaged_and_mixed_up_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, config) = (folder.path().join("files"), config(folder.path()));
    let afresh = |task| {
        let _ = fs::remove_dir_all(&dir);
        files(task, &dir)
    };
    for task in NAMES {
        afresh(task);
        let nowhere = DataConfig { dir: Some(folder.path().join("none")), ..config.clone() };
        let message = refused(task, &nowhere);
        assert!(message.contains("none") && message.contains("--data"), "{message}");
    }
    let contains = |message: String, words: &[&str]| {
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    };

    let file = afresh("listops");
    fs::copy(dir.join("listops-1000/basic_train.tsv"), file).unwrap();
    let message = refused("listops", &config);
    contains(message, &["basic_train.tsv", "basic_val.tsv", "same content"]);

    let file = afresh("retrieval");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\ton speech\n", "\n")).unwrap();
    contains(refused("retrieval", &config), &["new_aan_pairs.eval.tsv, line 1", "5 columns", "4"]);
    fs::write(&file, text.replacen("0.0", "label", 1)).unwrap();
    contains(refused("retrieval", &config), &["new_aan_pairs.eval.tsv, line 1", "`label`"]);
    fs::write(&file, "<html>404 not found</html>\n").unwrap();
    contains(refused("retrieval", &config), &["new_aan_pairs.eval.tsv, line 1", "found 1"]);

    let file = afresh("text");
    fs::write(&file, b"caf\xc3").unwrap();
    contains(refused("text", &config), &["3_2.txt", "cut off"]);
    fs::write(&file, "").unwrap();
    contains(refused("text", &config), &["3_2.txt", "empty"]);
    fs::rename(&file, file.with_file_name("3_9.txt")).unwrap();
    contains(refused("text", &config), &["3_9.txt", "rating 9", "mixed up"]);
    let test = dir.join("aclImdb/test/pos");
    afresh("text");
    fs::remove_dir_all(&test).unwrap();
    fs::create_dir(&test).unwrap();
    contains(refused("text", &config), &["pos holds no review"]);
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
    fail(&mut train(path, "listops", &["data.max_length=9"]), 1, &["data.max_length", "listops"]);
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
