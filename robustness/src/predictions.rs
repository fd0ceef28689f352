//! Predictions that were made before: by model and input, so that none is made twice.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use program::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use transformations::content::Content;

use crate::fingerprint::digits;
use crate::subject::Item;

/// What a model said, a file a slice.
pub struct Predictions {
    folder: PathBuf,
}

/// Tells inputs apart.
pub type Key = String;

impl Predictions {
    /// Those of the model with this fingerprint, below `cache`.
    pub fn of(cache: &Path, model: &str) -> Self {
        Self { folder: cache.join("predictions").join(model) }
    }

    /// What is known about a slice; nothing where there is none, or what there is cannot be read.
    pub fn load<T: DeserializeOwned>(&self, slice: &str) -> HashMap<Key, T> {
        let read = fs::read(self.file(slice)).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps what is known about a slice.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save<T: Serialize>(&self, slice: &str, known: &HashMap<Key, T>) -> Result<()> {
        files::create_folder(&self.folder)?;
        files::write(&self.file(slice), &serde_json::to_vec(known)?)
    }

    fn file(&self, slice: &str) -> PathBuf {
        let name = digits(Sha256::new().chain_update(slice));
        self.folder.join(name + ".json")
    }
}

/// The key of an item at a sampling rate.
pub fn key(item: &Item, rate: f64) -> Key {
    let mut hash = Sha256::new();
    hash.update(rate.to_le_bytes());
    hash.update(format!("{:?}", item.label));
    // What a pair's other sequence is follows from the example.
    hash.update(item.index.to_le_bytes());
    let mut values =
        |values: &[f32]| values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    match &item.content {
        Content::Picture(picture) => values(&picture.values),
        Content::Sound(sound) => values(&sound.samples),
        Content::Series(series) => values(&series.values),
        Content::Text(text) => hash.update(text),
        Content::Expression(expression) => hash.update(expression.tokens()),
    }
    digits(hash)
}
