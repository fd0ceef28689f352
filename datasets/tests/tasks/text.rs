//! ListOps, Text and Retrieval: from files to batches.

use std::fs;
use std::path::Path;

use datasets::batch::{Batch, Labels, Sequences};
use datasets::shape::Target;
use datasets::tasks::{self, Splits};
use s4_config::Input;
use toml::Table;

use crate::text_files::{files, write};

const NAMES: [&str; 3] = ["listops", "text", "retrieval"];

fn config(folder: &Path) -> Table {
    let (dir, cache) = (folder.join("files"), folder.join("cache"));
    format!("dir = {dir:?}\ncache = {cache:?}").parse().unwrap()
}

/// The same with other settings.
fn with(data: &Table, settings: &str) -> Table {
    let mut data = data.clone();
    data.extend(settings.parse::<Table>().unwrap());
    data
}

fn open(task: &str, config: &Table) -> Splits {
    tasks::find(task).unwrap().open(config, false).unwrap()
}

/// The message with which opening fails.
fn refused(task: &str, config: &Table) -> String {
    match tasks::find(task).unwrap().open(config, false) {
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
    assert_eq!(splits.shape.input, Input::Tokens { vocabulary: 18 });
    assert!(matches!(&splits.shape.target, Target::Classes(names) if names.len() == 10));
    assert_eq!([&splits.train, &splits.val, &splits.test].map(|s| s.len()), [24, 9, 10]);
    let batch = splits.train.batch(&[0, 1]).unwrap();
    // [SM 0 5 [MIN 9 8 ] ]; [SM 1 6 [MIN 9 8 ] 0 ], each with the end token.
    let first = vec![16, 3, 8, 13, 12, 11, 17, 17, 2];
    let second = vec![16, 4, 9, 13, 12, 11, 17, 3, 17, 2];
    assert_eq!(sequences(&batch), [first, second]);
    assert_eq!(tokens(&batch)[9], 0, "padding");
    assert_eq!(batch.labels, Labels::Classes(vec![3, 5]));
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
    let mut made = with(&config(folder.path()), "count = 30\neval_count = 10\nlengths = [10, 40]");
    made.remove("dir");
    let splits = open("listops", &made);
    assert!(splits.origin.contains("no --data"), "{}", splits.origin);
    let all: Vec<usize> = (0..30).collect();
    let batch = splits.train.batch(&all).unwrap();
    assert!(batch.lengths.as_ref().unwrap().iter().all(|length| (11..=41).contains(length)));
    let cache = folder.path().join("cache/listops-seed0-30-10-10-40.tokens");
    let written = fs::metadata(&cache).unwrap().modified().unwrap();
    assert_eq!(open("listops", &made).train.batch(&all).unwrap(), batch);
    assert_eq!(fs::metadata(&cache).unwrap().modified().unwrap(), written, "it was used");
    let other = open("listops", &with(&made, "seed = 1"));
    assert_ne!(other.train.batch(&all).unwrap(), batch);
    let wrong = with(&made, "lengths = [40, 10]");
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
    let official = with(&config(folder.path()), "validation = \"test\"");
    let splits = open("text", &official);
    let characters: Vec<char> = splits.config["vocabulary"].as_str().unwrap().chars().collect();
    assert!(characters.contains(&'é') && !characters.contains(&'ß'), "{characters:?}");
    let vocabulary = characters.len() as i64 + 3;
    assert_eq!(splits.shape.input, Input::Tokens { vocabulary });
    assert!(matches!(&splits.shape.target, Target::Classes(names) if names.len() == 2));

    // Unfavourable ones first, by name: 0_2, 10_2, ..., 8_2, 90_1, 9_2.
    let batch = splits.train.batch(&[0, 19, 40]).unwrap();
    assert_eq!(batch.labels, Labels::Classes(vec![0, 0, 1]));
    let text = |sequence: &[i64]| -> String {
        let (end, kept) = sequence.split_last().unwrap();
        assert_eq!(*end, 2);
        kept.iter().map(|&t| if t == 1 { '?' } else { characters[t as usize - 3] }).collect()
    };
    let texts: Vec<_> = sequences(&batch).iter().map(|sequence| text(sequence)).collect();
    assert_eq!(texts[0], "A dull film.<br />");
    assert_eq!(texts[1], "?".repeat(14));
    assert_eq!(texts[2], "é".repeat(15));

    let short = with(&official, "max_length = 5");
    let batch = open("text", &short).train.batch(&[0]).unwrap();
    assert_eq!((batch.length, batch.lengths), (5, Some(vec![5])));
    let too_short = with(&official, "max_length = 1");
    assert!(refused("text", &too_short).contains("data.max_length is 1"));
}

#[test]
fn validation_is_a_held_out_tenth_or_the_test_reviews() {
    let folder = tempfile::tempdir().unwrap();
    files("text", &folder.path().join("files"));
    let held_out = open("text", &config(folder.path()));
    let sizes = |splits: &Splits| [&splits.train, &splits.val, &splits.test].map(|s| s.len());
    assert_eq!(sizes(&held_out), [36, 4, 12]);
    let official = with(&config(folder.path()), "validation = \"test\"");
    let official = open("text", &official);
    assert_eq!(sizes(&official), [40, 12, 12]);
    let all: Vec<usize> = (0..12).collect();
    assert_eq!(official.val.batch(&all).unwrap(), official.test.batch(&all).unwrap());
    let seed = |seed| {
        let splits = open("text", &with(&config(folder.path()), &format!("seed = {seed}")));
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
    let dir = format!("dir = {elsewhere:?}");
    let anew = open("text", &with(&config(folder.path()), &dir));
    assert_ne!(anew.config["vocabulary"], kept["vocabulary"]);
    let same = open("text", &with(&kept, &dir));
    assert_eq!(same.config["vocabulary"], kept["vocabulary"]);
    let before = open("text", &kept).test.batch(&[0, 11]).unwrap();
    assert_eq!(same.test.batch(&[0, 11]).unwrap(), before);
    assert_ne!(anew.test.batch(&[0, 11]).unwrap(), before);
}

#[test]
fn pairs_have_two_towers() {
    let folder = tempfile::tempdir().unwrap();
    files("retrieval", &folder.path().join("files"));
    let splits = open("retrieval", &config(folder.path()));
    assert_eq!(splits.shape.input, Input::Tokens { vocabulary: 98 });
    assert!(matches!(&splits.shape.target, Target::Pair(names) if names.len() == 2));
    assert_eq!([&splits.train, &splits.val, &splits.test].map(|s| s.len()), [24, 9, 10]);
    let batch = splits.train.batch(&[0, 1]).unwrap();
    let text = |sequence: &Vec<i64>| -> String {
        assert_eq!(sequence.last(), Some(&2));
        let kept = &sequence[..sequence.len() - 1];
        kept.iter().map(|&token| (token as u8 - 3 + b' ') as char).collect()
    };
    let texts: Vec<String> = sequences(&batch).iter().map(text).collect();
    assert_eq!(texts, ["on trees", "on of \"parsing\" trees", "on speech", "on trees"]);
    assert_eq!(batch.labels, Labels::Classes(vec![0, 1]));
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
        let config = open(task, &config(folder.path())).config;
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
        let tokens = |config: &Table| {
            let splits = open(task, config);
            let train = splits.train.batch(&(0..splits.train.len()).collect::<Vec<_>>()).unwrap();
            (train, splits.val.batch(&(0..splits.val.len()).collect::<Vec<_>>()).unwrap())
        };
        let found = tokens(&kept);
        let afresh = with(&kept, &format!("cache = {:?}", folder.path().join("fresh")));
        assert!(found == tokens(&afresh), "{task}: tokens of an older source");
        // Damage is noticed, too.
        let bytes = fs::read(cache).unwrap();
        fs::write(cache, &bytes[..bytes.len() - 1]).unwrap();
        assert!(found == tokens(&config), "{task}: damaged tokens");
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
        let nowhere = with(&config, &format!("dir = {:?}", folder.path().join("none")));
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
