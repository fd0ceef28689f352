//! Small models that ship with the program by their errors, as AlexNet's for ImageNet-C: corruption errors
//! of other models are told in theirs.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::mce::Errors;
use crate::results::Results;

/// The files, a task each. [`Reference::of`] makes them.
const FILES: &[&str] =
    &[include_str!("../references/image.toml"), include_str!("../references/smnist.toml")];

/// A model by its errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The task that it is for.
    pub task: String,
    /// What it is, in a few words.
    pub model: String,
    /// What it was judged on.
    pub drawn: String,
    /// Its errors.
    pub errors: Errors,
}

impl Reference {
    /// The results of a model, `model` in a few words, as a reference.
    ///
    /// # Errors
    /// If they have no clean examples.
    pub fn of(results: &Results, model: &str) -> Result<Self> {
        Ok(Self {
            task: results.about.task.clone(),
            model: model.to_owned(),
            drawn: results.drawn.clone(),
            errors: Errors::of(results).context("results without clean examples")?,
        })
    }

    /// That of a task, if one ships.
    pub fn for_task(task: &str) -> Option<Self> {
        let all = FILES.iter().filter_map(|text| toml::from_str::<Self>(text).ok());
        all.into_iter().find(|reference| reference.task == task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_tasks_and_transformations_that_there_are() {
        for text in FILES {
            let reference: Reference = toml::from_str(text).unwrap();
            datasets::tasks::find(&reference.task).unwrap();
            for name in reference.errors.transformation.keys() {
                transformations::find(name.strip_suffix(", told").unwrap_or(name)).unwrap();
            }
            assert!((0.0..1.0).contains(&reference.errors.clean));
            assert_eq!(Reference::for_task(&reference.task), Some(reference));
        }
    }
}
