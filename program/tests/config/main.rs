//! Configurations are read, overridden, explained and written, and what is wrong in them is named.

mod commented;

use std::path::Path;

use anyhow::Result;
use program::config::*;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Experiment {
    task: String,
    /// Its type is [`Images`] where the task is `images`.
    #[serde(default)]
    data: Table,
    model: Model,
    #[serde(default)]
    train: Train,
}

impl Config for Experiment {
    fn presets() -> Vec<(String, &'static str)> {
        vec![("whole".to_owned(), TEXT)]
    }

    const ALIASES: &'static [Aliases] =
        &[&[("data.side", "data.size")], &[("model.sort", "model.kind")]];

    fn complete(&mut self) -> Result<(), Problem> {
        if self.task == "images" {
            let images: Images = section("data", "images", &self.data)?;
            self.data = Table::try_from(images).unwrap();
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Images {
    size: usize,
    colour: bool,
}

impl Default for Images {
    fn default() -> Self {
        Self { size: 32, colour: false }
    }
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Model {
    d_model: usize,
    #[serde(default)]
    dropout: f64,
    kind: Kind,
    layers: Vec<Layer>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Dplr,
    Diagonal,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Layer {
    width: usize,
}

#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Train {
    epochs: u64,
    batch_size: usize,
    optimizer: Optimizer,
    schedule: Schedule,
}

#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Optimizer {
    lr: f64,
}

#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
enum Schedule {
    #[default]
    Constant,
    CosineWarmup {
        warmup_steps: u64,
        total_steps: u64,
    },
}

const TEXT: &str = r#"task = "path-x"

[model]
d_model = 64
dropout = 0.1
kind = "dplr"
layers = [{ width = 1 }, { width = 2 }]

[train]
epochs = 2
schedule = { name = "cosine_warmup", warmup_steps = 10, total_steps = 100 }
"#;

fn load_with(text: &str, overrides: &[&str]) -> Result<Loaded<Experiment>> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    parse("a.toml", text, &overrides)
}

fn message(text: &str, overrides: &[&str]) -> String {
    load_with(text, overrides).unwrap_err().to_string()
}

#[test]
fn the_resolved_config_is_complete_and_reads_back() {
    let config = load_with(TEXT, &["train.optimizer.lr=4e-3", "model.d_model=128"]).unwrap();
    assert_eq!(config.value.model.d_model, 128);
    assert_eq!(
        config.changes,
        ["set: train.optimizer.lr: default -> 0.004", "set: model.d_model: 64 -> 128"]
    );
    let text = to_toml(&config.value).unwrap();
    for key in ["batch_size = 0", "lr = 0.004", "warmup_steps = 10"] {
        assert!(text.contains(key), "{key} in\n{text}");
    }
    assert_eq!(load_with(&text, &[]).unwrap().value, config.value);
}

#[test]
fn unknown_keys_in_the_file_are_named_with_line_and_nearest_name() {
    assert_eq!(
        message(&TEXT.replace("d_model =", "d_modl ="), &[]),
        "a.toml:4: unknown key `model.d_modl`; did you mean `model.d_model`?"
    );
    assert_eq!(
        message(&TEXT.replace("epochs", "epoch"), &[]),
        "a.toml:10: unknown key `train.epoch`; did you mean `train.epochs`?"
    );
    assert_eq!(
        message(&format!("nonsense = 1\n{TEXT}"), &[]),
        "a.toml:1: unknown key `nonsense`; known here: task, data, model, train"
    );
    // Inside an enum, where serde loses the path.
    assert_eq!(
        message(&TEXT.replace("warmup_steps", "warmup_stps"), &[]),
        "a.toml:11: unknown key `train.schedule.warmup_stps`; did you mean \
         `train.schedule.warmup_steps`?"
    );
}

#[test]
fn unknown_keys_of_overrides_are_told_from_those_of_the_file() {
    let text = message(TEXT, &["model.d_modl=64"]);
    assert_eq!(
        text,
        "--set model.d_modl=64: unknown key `model.d_modl`; did you mean `model.d_model`?"
    );
    // The section was forgotten.
    let text = message(TEXT, &["d_model=64"]);
    assert_eq!(text, "--set d_model=64: unknown key `d_model`; did you mean `model.d_model`?");
    // The file's own problem is not blamed on an innocent override.
    let text = message(&TEXT.replace("d_model =", "d_modl ="), &["model.dropout=0"]);
    assert!(text.starts_with("a.toml:4: "), "{text}");
}

/// The file's task decides what its data may be.
#[test]
fn sections_of_another_type_are_checked_and_completed_like_the_rest() {
    let text = TEXT.replace("path-x", "images") + "[data]\nsize = 28\n";
    let data = load_with(&text, &[]).unwrap().value.data;
    assert_eq!(data, "size = 28\ncolour = false".parse().unwrap());
    assert_eq!(
        message(&text.replace("size = 28", "sise = 28"), &[]),
        "a.toml:13: unknown key `data.sise` of images; did you mean `data.size`?"
    );
    assert_eq!(
        message(&text, &["data.words=all"]),
        "--set data.words=all: unknown key `data.words` of images; known here: size, colour"
    );
    assert_eq!(
        message(&text, &["data.size=big"]),
        "--set data.size=big: `data.size`: invalid type: string \"big\", expected a whole number from 0 on"
    );
    assert!(load_with(&TEXT.replace("[train]", "[data]\nwords = 3\n[train]"), &[]).is_ok());
}

#[test]
fn old_names_of_keys_still_work() {
    let text = TEXT.replace("path-x", "images").replace("kind =", "sort =") + "[data]\nside = 28\n";
    let loaded = load_with(&text, &["data.side=64"]).unwrap();
    assert_eq!(loaded.value.model.kind, Kind::Dplr);
    assert_eq!(loaded.value.data["size"], Value::Integer(64));
    assert_eq!(loaded.changes, ["set: data.size: 28 -> 64"]);
    assert_eq!(
        message(&(text + "size = 30\n"), &[]),
        "a.toml:14: `data.size`: it is set twice: `data.side` is its old name"
    );
}

#[test]
fn wrong_types_are_named_with_line_and_key() {
    assert_eq!(
        message(&TEXT.replace("= 64", "= \"big\""), &[]),
        "a.toml:4: `model.d_model`: invalid type: string \"big\", expected a whole number from 0 on"
    );
    assert_eq!(
        message(TEXT, &["model.d_model=big"]),
        "--set model.d_model=big: `model.d_model`: invalid type: string \"big\", expected a whole number from 0 on"
    );
    assert_eq!(
        message(&TEXT.replace("width = 2", "width = -2"), &[]),
        "a.toml:7: `model.layers[1].width`: invalid value: integer `-2`, expected a whole number from 0 on"
    );
}

#[test]
fn unknown_choices_list_the_known_ones() {
    assert_eq!(
        message(&TEXT.replace("\"dplr\"", "\"diagnal\""), &[]),
        "a.toml:6: `model.kind` is \"diagnal\", expected one of dplr, diagonal; did you mean \
         diagonal?"
    );
    let text = message(&TEXT.replace("cosine_warmup", "cosine_warm"), &[]);
    assert!(text.starts_with("a.toml:11: `train.schedule"), "{text}");
    assert!(text.ends_with("did you mean cosine_warmup?"), "{text}");
}

#[test]
fn missing_keys_are_named() {
    assert_eq!(
        message(&TEXT.replace("d_model = 64\n", ""), &[]),
        "a.toml:3: `model.d_model` is missing"
    );
    assert_eq!(message("", &[]), "a.toml: `task` is missing");
    assert!(load_with(&TEXT.replace("d_model = 64\n", ""), &["model.d_model=8"]).is_ok());
}

#[test]
fn syntax_errors_have_a_line() {
    let text = message("a = 1\nb = = 2\n", &[]);
    assert!(text.starts_with("a.toml:2: "), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<Experiment>(Path::new("no/such.toml"), &[]).unwrap_err();
    assert!(error.to_string().contains("no/such.toml"), "{error}");
}

#[test]
fn differences_name_full_keys() {
    let other = TEXT.replace("= 64", "= 32").replace("dropout = 0.1\n", "");
    assert_eq!(
        differences(TEXT, &other),
        [
            ("model.d_model".to_owned(), Some("64".to_owned()), Some("32".to_owned())),
            ("model.dropout".to_owned(), Some("0.1".to_owned()), None),
        ]
    );
}

#[test]
fn a_file_changes_the_preset_that_it_is_based_on() {
    let text = "base = \"whole\"\n[model]\nd_model = 8\n[train.schedule]\nwarmup_steps = 5\n";
    let loaded = load_with(text, &["train.epochs=3"]).unwrap().value;
    let mut expected = load_with(TEXT, &["model.d_model=8", "train.epochs=3"]).unwrap().value;
    expected.train.schedule = Schedule::CosineWarmup { warmup_steps: 5, total_steps: 100 };
    assert_eq!(loaded, expected);
    // Another schedule has other settings.
    let text = "base = \"whole\"\n[train]\nschedule = { name = \"constant\" }\n";
    assert_eq!(load_with(text, &[]).unwrap().value.train.schedule, Schedule::Constant);
    let text = message("base = \"hole\"", &[]);
    assert_eq!(text, "a.toml: `base` is \"hole\"; it may be one of whole");
    assert!(message("base = \"whole\"\n[model]\nd_modl = 8\n", &[]).contains("d_modl"));
}
