//! What the tasks on audio have in common.

use std::sync::Arc;

use anyhow::{Result, ensure};
use audio_data::layout::Listing;
use audio_data::split::Split as Part;

use super::Splits;
use crate::data::recordings::{Extent, Labelled, Recordings, Scale, decode};
use crate::experiment::DataConfig;
use crate::model::{InputKind, Shape};

/// A data set of recordings with what is asked of each.
pub(super) struct Labels {
    /// The recordings.
    pub listing: Listing,
    /// Class and part of each of its entries.
    pub entries: Vec<(i64, Part)>,
    pub class_names: Vec<String>,
}

/// Decodes the recordings at `rate` Hz and standardises them by `config.scale`, or else by what is
/// measured on the training part.
pub(super) fn open(
    labels: &Labels,
    rate: u32,
    extent: Extent,
    config: &DataConfig,
) -> Result<Splits> {
    let corpus = Arc::new(decode(&labels.listing, rate, config)?);
    let items = |part: Part| -> Result<Vec<Labelled>> {
        let mut items = Vec::new();
        for (number, recording) in corpus.recordings().iter().enumerate() {
            let (class, its_part) = labels.entries[recording.entry];
            if its_part == part {
                let frames = usize::try_from(recording.frames)?;
                items.push(Labelled { recording: number, frames, class });
            }
        }
        ensure!(
            !items.is_empty(),
            "none of the {} readable recordings in {} is in the {part} part; use more data, or \
             divide it in another way",
            corpus.recordings().len(),
            labels.listing.dir.display()
        );
        if part != Part::Train {
            // Batches of similar lengths waste little on padding.
            items.sort_by_key(|item| item.frames);
        }
        Ok(items)
    };
    let (train, val, test) = (items(Part::Train)?, items(Part::Val)?, items(Part::Test)?);
    let scale = match config.scale {
        Some(scale) => scale,
        None => Scale::measure(&corpus, &train)?,
    };
    scale.validate()?;
    let every = config.every.unwrap_or(1);
    let origin = format!(
        "{} recordings of {} classes at {rate} Hz{} in {}: {} to train on, {} to validate, {} to \
         test",
        corpus.recordings().len(),
        labels.class_names.len(),
        if every > 1 { format!(", one sample of {every} kept") } else { String::new() },
        labels.listing.dir.display(),
        train.len(),
        val.len(),
        test.len()
    );
    let split =
        |items| Arc::new(Recordings { corpus: corpus.clone(), items, extent, every, scale });
    Ok(Splits {
        shape: Shape {
            input: InputKind::Values { features: 1 },
            classes: labels.class_names.len() as i64,
            pairs: false,
        },
        class_names: labels.class_names.clone(),
        config: DataConfig { sample_rate: Some(rate), scale: Some(scale), ..config.clone() },
        origin,
        train: split(train),
        val: split(val),
        test: split(test),
    })
}
