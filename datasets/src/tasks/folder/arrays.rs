//! A folder of arrays.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use audio_data::part::Part;
use program::interrupt;
use rayon::prelude::*;
use s4_config::Input;

use super::{Labelled, splits};
use crate::examples::arrays::{Arrays, Form, PADDING, measure};
use crate::examples::recordings::Standardisation;
use crate::formats::array::{self, is_array_name};
use crate::inputs::Inputs;
use crate::shape::{Shape, Target};
use crate::split::Split;
use crate::tasks::Splits;

/// The splits, and what features are standardised by: `given`, or as it is measured on the training
/// part.
pub(super) fn open(
    labelled: Labelled,
    given: Option<&[Standardisation]>,
    max_length: usize,
) -> Result<(Splits, Vec<Standardisation>)> {
    let read = |path: &PathBuf| {
        interrupt::check()?;
        array::read(path).with_context(|| path.display().to_string())
    };
    let paths: Vec<PathBuf> =
        labelled.files.iter().map(|(file, _, _)| labelled.dir.join(&file.path)).collect();
    let arrays = paths.par_iter().map(read).collect::<Result<Vec<_>>>()?;
    for (path, array) in paths.iter().zip(&arrays) {
        ensure!(
            array.features == arrays[0].features,
            "{} has {} features and {} has {}: all must have the same",
            paths[0].display(),
            arrays[0].features,
            path.display(),
            array.features
        );
    }
    let parts = labelled.files.iter().map(|(_, _, part)| *part);
    let train = arrays.iter().zip(parts).filter(|(_, part)| *part == Part::Train);
    let features = match given {
        Some(given) => given.to_vec(),
        None => measure(&train.map(|(array, _)| array).collect::<Vec<_>>()),
    };
    let form = form(features, max_length)?;
    let mut sequences = Vec::new();
    for (path, array) in paths.iter().zip(&arrays) {
        let sequence = form.sequence(array).with_context(|| path.display().to_string())?;
        sequences.push((path, sequence));
    }
    let what = format!("arrays of {} features", form.features.len());
    let splits = splits(labelled, input(&form), &what, |files| {
        // Both are in the order of the paths.
        let mut all = sequences.iter();
        let item = |(path, label)| {
            let (_, sequence) = all.find(|(its, _)| **its == path).context("it was read")?;
            Ok((path, sequence.clone(), label))
        };
        Ok(Split::new(Arrays { files: files.into_iter().map(item).collect::<Result<_>>()? }))
    });
    Ok((splits?, form.features))
}

/// Arrays like those that a run was trained on.
pub(super) fn inputs(
    target: Target,
    features: Vec<Standardisation>,
    max_length: usize,
) -> Result<Inputs> {
    let form = form(features, max_length)?;
    Ok(Inputs {
        shape: Shape { input: input(&form), target },
        padding: Some(PADDING),
        about: format!("arrays of {} features (.npy, .npz, .csv)", form.features.len()),
        takes: is_array_name,
        file: Some(Box::new(move |path| Ok(vec![form.sequence(&array::read(path)?)?]))),
        line: None,
    })
}

fn form(features: Vec<Standardisation>, max_length: usize) -> Result<Form> {
    features.iter().try_for_each(|feature| feature.validate().context("data.features"))?;
    Ok(Form { features, max_length })
}

fn input(form: &Form) -> Input {
    Input::Values { features: form.features.len() as i64 }
}
