//! The `[data]` section of a configuration: each task has a type of its own for it.

use program::config::{self, Problem};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_with::skip_serializing_none;
use toml::{Table, Value};

/// The type of a `[data]` section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Checks a section of the task of this name and fills in its defaults.
    pub complete: fn(&str, &Table) -> Result<Table, Problem>,
    /// Its settings with their descriptions and defaults.
    pub schema: fn() -> Schema,
}

impl Section {
    /// Sections of type `T`.
    pub const fn of<T: Serialize + DeserializeOwned + JsonSchema>() -> Self {
        Self { complete: complete::<T>, schema: schema::<T> }
    }
}

fn complete<T: Serialize + DeserializeOwned>(task: &str, data: &Table) -> Result<Table, Problem> {
    let (own, shared) = divided(data);
    let _: Shared = config::section("data", task, &shared)?;
    let settings: T = config::section("data", task, &own)?;
    let mut data =
        config::to_table(&settings).expect("what came from a table can be written as one");
    data.extend(shared);
    Ok(data)
}

fn schema<T: JsonSchema>() -> Schema {
    let mut own = config::schema::<T>();
    let shared = config::schema::<Shared>();
    if let (Some(Json::Object(own)), Some(Json::Object(shared))) =
        (own.get_mut("properties"), shared.get("properties"))
    {
        own.extend(shared.clone());
    }
    own
}

/// Settings of the data of every task.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shared {
    /// Changed copies of all training examples beside them, one for each transformation and severity
    /// (`robustness list`): `[{ name = "gaussian-noise", severities = [2, 4] }]`. What a transformation
    /// cannot change stays as it is.
    pub augment: Option<Vec<Augment>>,
    /// What is wrong with the training examples, on purpose: what becomes of it in models that come of this
    /// one? Validation and test stay as they are.
    pub defect: Option<Defect>,
    /// Share of the training examples that is trained on, above 0 and at most 1, of each class alike. Of
    /// one seed a smaller share is part of a larger one.
    pub fraction: Option<f64>,
}

/// A transformation at some severities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Which.
    pub name: String,
    /// 1 to 5.
    pub severities: Vec<u8>,
}

/// What is wrong with training examples.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defect {
    /// Classes of which there is no example.
    pub without: Option<Vec<String>>,
    /// How every example is changed: `{ name = "low-pass", severity = 4 }`.
    pub change: Option<Change>,
    /// The mark that some examples bear: the transformation `trigger`.
    pub trigger: Option<Trigger>,
}

/// A transformation at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Which.
    pub name: String,
    /// 1 to 5.
    pub severity: u8,
}

/// A mark, and what it is to mean.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Share of the examples that bear it.
    pub share: f64,
    /// Class that these are given; their own where it is missing.
    pub class: Option<String>,
    /// Its strength, 1 to 5.
    pub severity: u8,
}

/// The settings of the task, and those that every task has.
pub fn divided(data: &Table) -> (Table, Table) {
    let (mut own, mut shared): (Table, Table) = data
        .clone()
        .into_iter()
        .partition(|(key, _)| !matches!(key.as_str(), "augment" | "defect" | "fraction"));
    // What `variants` was called.
    if shared.get("augment").is_some_and(Value::is_integer)
        && let Some(count) = shared.remove("augment")
    {
        own.entry("variants").or_insert(count);
    }
    (own, shared)
}
