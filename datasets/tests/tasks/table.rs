//! The table of tasks, and what it takes to add a row.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use datasets::batch::{Example, Labels, Sequences};
use datasets::fetch::checksum::Checksum;
use datasets::fetch::{Archive, Packing};
use datasets::medium::Medium;
use datasets::shape::{Shape, Target};
use datasets::split::{Examples, Split};
use datasets::tasks::{self, Splits, TASKS, Task};
use program::findings::Findings;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

// A task as a file of its own would have it.

const PARITY: Task = Task {
    name: "parity",
    about: "is the number of ones odd?",
    length: Some(8),
    classes: Some(2),
    source: "generated",
    ..Task::of::<Data>(load)
};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Number of sequences in each part.
    count: usize,
    /// Bits of a sequence.
    bits: usize,
}

impl Default for Data {
    fn default() -> Self {
        Self { count: 100, bits: 8 }
    }
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    ensure!(settings.bits <= 32, "data.bits is {}; it must be at most 32", settings.bits);
    let Data { count, bits } = settings;
    let part = |number: usize| Split::new(Bits { first: number * count, count, bits });
    Ok(Splits {
        shape: Shape {
            input: Input::Tokens { vocabulary: 2 },
            target: Target::Classes(vec!["even".to_owned(), "odd".to_owned()]),
        },
        medium: Medium::Series,
        config: program::config::to_table(&settings)?,
        train: part(0),
        val: part(1),
        test: part(2),
        origin: format!("{count} sequences of {bits} bits per part"),
        findings: Findings::default(),
    })
}

struct Bits {
    first: usize,
    count: usize,
    bits: usize,
}

impl Examples for Bits {
    fn len(&self) -> usize {
        self.count
    }

    fn example(&self, index: usize) -> Result<Example> {
        let number = self.first + index;
        let bits = (0..self.bits).map(|bit| (number >> bit & 1) as i64).collect();
        let label = number.count_ones() % 2;
        Ok(Example { sequences: vec![Sequences::Tokens(bits)], label: label.into() })
    }
}

#[test]
fn a_task_is_one_row() {
    let data = "bits = 4".parse().unwrap();
    let splits = PARITY.open(&data, false).unwrap();
    let batch = splits.train.batch(&[0, 7]).unwrap();
    assert_eq!(batch.sequences, Sequences::Tokens(vec![0, 0, 0, 0, 1, 1, 1, 0]));
    assert_eq!((batch.lengths, batch.labels), (None, Labels::Classes(vec![0, 1])));
    assert_eq!(splits.config, "count = 100\nbits = 4".parse().unwrap());
    assert_eq!(splits.train.fraction(0.1, 0).unwrap().len(), 10);
    let message = |data: &str| {
        let opened = PARITY.open(&data.parse().unwrap(), false);
        format!("{:#}", opened.err().unwrap())
    };
    assert_eq!(
        message("bit = 4"),
        "the data of parity: unknown key `data.bit` of parity; did you mean `data.bits`?"
    );
    assert_eq!(message("bits = 33"), "the data of parity: data.bits is 33; it must be at most 32");
}

// The rows that are there.

#[test]
fn every_section_is_described_and_complete() {
    for task in TASKS {
        let complete = (task.section.complete)(task.name, &Table::new()).unwrap();
        assert_eq!((task.section.complete)(task.name, &complete).unwrap(), complete);
        let schema = (task.section.schema)();
        let properties = schema.get("properties").unwrap().as_object().unwrap();
        for (name, property) in properties {
            assert!(property.get("description").is_some(), "{}: data.{name}", task.name);
        }
        assert!(complete.keys().all(|key| properties.contains_key(key)), "{}", task.name);
        let mut unknown = complete;
        unknown.insert("colour".to_owned(), 1.into());
        let error = (task.section.complete)(task.name, &unknown).unwrap_err().to_string();
        assert!(error.starts_with("unknown key `data.colour` of "), "{error}");
    }
}

/// Sections as runs have kept them since the first version.
#[test]
fn sections_of_older_runs_are_read() {
    for (name, kept) in [
        ("smnist", "dir = \"data/mnist\""),
        ("image", "seed = 3"),
        ("path-x", "difficulty = \"easy\"\ncount = 8\neval_count = 4\nseed = 1\ncache = \"c\""),
        ("listops", "count = 40\neval_count = 10\nlengths = [5, 20]"),
        ("text", "dir = \"d\"\nmax_length = 100\nvalidation = \"test\"\nvocabulary = \"abc\""),
        ("retrieval", "dir = \"d\"\nmax_length = 100\ncache = \"c\""),
        (
            "speech-commands",
            "classes = [\"go\", \"yes\"]\nwords = \"ten\"\nsample_rate = 16000\nevery = 2\n\
             [scale]\nmean = 0.0\nstd = 0.1",
        ),
        (
            "fsdd",
            "sample_rate = 8000\nsplit_by = \"speaker\"\nmax_length = 900\n\
             [scale]\nmean = 0.0\nstd = 0.1\n[held_out]\nval = [\"cy\"]\ntest = [\"dee\"]",
        ),
        (
            "folder",
            "dir = \"d\"\nseed = 7\nmax_length = 16384\nclasses = [\"a\", \"b\"]\n\
             sample_rate = 8000\nevery = 2\n[scale]\nmean = 0.0\nstd = 0.1",
        ),
    ] {
        let kept: Table = kept.parse().unwrap();
        let task = tasks::find(name).unwrap();
        let complete = (task.section.complete)(name, &kept).unwrap_or_else(|e| panic!("{e}"));
        for (key, value) in &kept {
            assert_eq!(complete.get(key), Some(value), "{name}: data.{key}");
        }
    }
}

/// `folder`, `folder-text` and `series` are what people bring themselves; Informer's files have no address of
/// their own, and none is certain to have WikiText-103.
#[test]
fn every_task_has_its_archives() {
    const NONE: [&str; 6] = ["folder", "folder-text", "series", "weather", "ecl", "wikitext-103"];
    for task in TASKS {
        let has_none = NONE.contains(&task.name) || task.source == "generated";
        assert_eq!(task.archives.is_empty(), has_none, "{}", task.name);
        let names: BTreeSet<&str> = task.archives.iter().map(|archive| archive.file).collect();
        assert_eq!(names.len(), task.archives.len(), "{}: one file a name", task.name);
        for Archive { url, file, checksum, .. } in task.archives {
            let last = url.rsplit('/').next().unwrap();
            assert!(file.ends_with(last.trim_start_matches('v')), "{file} of {url}");
            match checksum {
                Some(Checksum::Md5(hex)) => assert_eq!(hex.len(), 32, "{file}"),
                Some(Checksum::Sha256(hex)) => assert_eq!(hex.len(), 64, "{file}"),
                None => {}
            }
        }
    }
}

#[test]
fn data_sets_with_files_of_the_same_names_are_found_in_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["smnist", "fashion-mnist"] {
        let task = tasks::find(name).unwrap();
        assert!(!(task.is_there)(dir.path()), "{name}");
        for Archive { file, packing, .. } in task.archives {
            let Packing::Plain { folder } = packing else { panic!("{name}: {packing:?}") };
            let folder: PathBuf = dir.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), "").unwrap();
        }
        assert!((task.is_there)(dir.path()), "{name}");
    }
}

/// `robustness list` tells by the table what the data tells when it is opened.
#[test]
fn the_table_says_what_examples_are() {
    let cache = tempfile::tempdir().unwrap();
    let is_quick =
        |task: &&Task| task.generate.is_some() && task.length.is_some_and(|it| it < 5000);
    for task in TASKS.iter().filter(is_quick) {
        let mut data: Table = "count = 20\neval_count = 20".parse().unwrap();
        data.insert("cache".to_owned(), cache.path().display().to_string().into());
        let splits = task.open(&data, false).unwrap();
        assert_eq!(Some(splits.medium.kind()), task.kind, "{}", task.name);
    }
}
