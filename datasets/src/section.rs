//! The `[data]` section of a configuration: each task has a type of its own for it.

use program::config::{self, Problem};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

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
        Self { complete: complete::<T>, schema: config::schema::<T> }
    }
}

fn complete<T: Serialize + DeserializeOwned>(task: &str, data: &Table) -> Result<Table, Problem> {
    let settings: T = config::section("data", task, data)?;
    Ok(config::to_table(&settings).expect("what came from a table can be written as one"))
}
