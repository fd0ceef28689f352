//! Heart rate, breathing rate or oxygen saturation from 32 s of pulse oximetry and ECG, 125 samples a second
//! (Pimentel et al. 2016, as divided into windows by Tan et al. 2020).
//!
//! The windows of a recording overlap, and the files do not say which recording a window is of. Windows that
//! have samples in common are of one: they are kept in one part. The official split is drawn from all
//! windows, so that most test windows have neighbours in the training part.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use program::config::to_table;
use program::findings::Findings;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use toml::Table;

use super::{Splits, Task};
use crate::batch::Label;
use crate::examples::arrays::{Arrays, Form, measure};
use crate::examples::recordings::Standardisation;
use crate::fetch::Archive;
use crate::formats::ts::{self, Case};
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium};
use crate::metric::Metric;
use crate::provenance::Provenance;
use crate::shape::{Quantity, Shape, Target};
use crate::split::Split;

pub(super) const TASK: Task = Task {
    name: "bidmc",
    about: "heart rate, breathing or oxygen from 32 s",
    kind: Some(Kind::Series),
    length: Some(4_000),
    metric: |_| Some(Metric::RMSE),
    provenance,
    paper: include_str!("../../../configs/lra/bidmc.toml"),
    small: include_str!("../../../configs/lra/bidmc-small.toml"),
    source: "BIDMC32HR_TRAIN.ts and its like",
    archives: &ARCHIVES,
    is_there: |dir| Asked::ALL.iter().any(|asked| asked.locate(Some(dir)).is_ok()),
    ..Task::of::<Data>(load)
};

const ARCHIVES: [Archive; 6] = [
    archive("https://zenodo.org/record/4001456/files/", "BIDMC32HR_TRAIN.ts"),
    archive("https://zenodo.org/record/4001456/files/", "BIDMC32HR_TEST.ts"),
    archive("https://zenodo.org/record/4001463/files/", "BIDMC32RR_TRAIN.ts"),
    archive("https://zenodo.org/record/4001463/files/", "BIDMC32RR_TEST.ts"),
    archive("https://zenodo.org/record/4001464/files/", "BIDMC32SpO2_TRAIN.ts"),
    archive("https://zenodo.org/record/4001464/files/", "BIDMC32SpO2_TEST.ts"),
];

const fn archive(url: &'static str, file: &'static str) -> Archive {
    Archive::plain(url, file, "bidmc")
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
enum Asked {
    /// Heart rate, beats a minute.
    #[default]
    #[serde(rename = "HR")]
    Heart,
    /// Breaths a minute.
    #[serde(rename = "RR")]
    Breath,
    /// Oxygen saturation in percent.
    #[serde(rename = "SpO2")]
    Oxygen,
}

impl Asked {
    const ALL: [Self; 3] = [Self::Heart, Self::Breath, Self::Oxygen];

    fn name(self) -> &'static str {
        match self {
            Self::Heart => "HR",
            Self::Breath => "RR",
            Self::Oxygen => "SpO2",
        }
    }

    fn files(self) -> [String; 2] {
        ["TRAIN", "TEST"].map(|part| format!("BIDMC32{}_{part}.ts", self.name()))
    }

    fn locate(self, dir: Option<&Path>) -> Result<PathBuf, Vec<PathBuf>> {
        let has_all = |dir: &Path| self.files().iter().all(|file| dir.join(file).is_file());
        locate(dir, "bidmc", &["bidmc", self.name(), &format!("bidmc/{}", self.name())], has_all)
    }
}

/// What windows are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SplitBy {
    /// Recordings: windows with common samples are in one part.
    #[default]
    Recording,
    /// Nothing, as officially: neighbours are in different parts.
    Window,
}

/// Which files, and how they are divided.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the `.ts` files.
    dir: Option<PathBuf>,
    /// `HR` (heart rate), `RR` (breathing) or `SpO2` (oxygen saturation).
    target: Asked,
    /// `recording` keeps windows with common samples, which are of one recording, in one part; `window` draws
    /// from all windows, as the official split does, and leaks.
    split_by: SplitBy,
    /// Seed of the division: 70% to train on, 15% each to validate and to test.
    seed: u64,
    /// What each channel is standardised by; measured on the training windows where it is missing. Kept with
    /// a run.
    features: Option<Vec<Standardisation>>,
    /// What the target is standardised by, in the same way.
    values: Option<Vec<Quantity>>,
}

fn load(task: &Task, data: &Table, _: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let files = settings.target.files();
    let dir = settings.target.locate(settings.dir.as_deref()).map_err(|looked| {
        anyhow!(
            "{} are not in {}: get them with `lra-bench fetch-data bidmc --data DIR`, and name their folder \
             with --data DIR",
            files.join(" and "),
            listed(&looked)
        )
    })?;
    let mut findings = Findings::default();
    let mut cases = Vec::new();
    for file in &files {
        let (its, missing) = ts::read(&dir.join(file))?;
        if missing > 0 {
            findings
                .note(format!("files with missing values ({missing}), as the one before"), file);
        }
        cases.extend(its);
    }
    let channels = cases[0].series.features;
    ensure!(
        cases.iter().all(|case| case.series.features == channels),
        "the series in {} differ in their number of channels",
        dir.display()
    );
    let groups = match settings.split_by {
        SplitBy::Recording => recordings(&cases),
        SplitBy::Window => (0..cases.len()).map(|window| vec![window]).collect(),
    };
    let count = groups.len();
    let parts = divide(groups, cases.len(), settings.seed);
    ensure!(
        parts.iter().all(|part| !part.is_empty()),
        "{} windows in {count} groups are too few to be divided into three parts",
        cases.len()
    );
    let features = settings.features.clone().unwrap_or_else(|| {
        measure(&parts[0].iter().map(|&window| &cases[window].series).collect::<Vec<_>>())
    });
    let values = match &settings.values {
        Some(values) => values.clone(),
        None => {
            let targets: Vec<f64> = parts[0].iter().map(|&window| cases[window].target).collect();
            vec![Quantity::measure(settings.target.name(), &targets)?]
        }
    };
    let form = Form { features: features.clone(), max_length: usize::MAX };
    let split = |part: &Vec<usize>| -> Result<Split> {
        let window = |&window: &usize| {
            let Case { series, target } = &cases[window];
            Ok((
                PathBuf::from(window.to_string()),
                form.sequence(series)?,
                Label::Values(vec![*target]),
            ))
        };
        Ok(Split::new(Arrays { files: part.iter().map(window).collect::<Result<_>>()? }))
    };
    let [train, val, test] = [split(&parts[0])?, split(&parts[1])?, split(&parts[2])?];
    let origin = format!(
        "{}: {} windows of {} in {count} {}: {} to train on, {} to validate, {} to test",
        dir.display(),
        cases.len(),
        settings.target.name(),
        match settings.split_by {
            SplitBy::Recording => "recordings",
            SplitBy::Window => "groups, neighbours in different parts",
        },
        train.len(),
        val.len(),
        test.len()
    );
    let shape = Shape {
        input: Input::Values { features: channels as i64 },
        target: Target::Values(values.clone()),
    };
    let config = to_table(&Data { features: Some(features), values: Some(values), ..settings })?;
    Ok(Splits { shape, medium: Medium::Series, config, train, val, test, origin, findings })
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { target, split_by, .. } = task.settings(data)?;
    let words = match split_by {
        SplitBy::Recording => "recordings apart",
        SplitBy::Window => "leaking split",
    };
    Ok(Provenance::official(split_by == SplitBy::Window).with(target.name()).with(words))
}

/// Positions that are compared.
const RUN: usize = 32;
/// Of all runs, one in so many is looked at: which, its content decides.
const EVERY: u64 = 32;

/// The windows, those with a common run of samples together, in the order of their first ones.
fn recordings(cases: &[Case]) -> Vec<Vec<usize>> {
    let mut parents: Vec<usize> = (0..cases.len()).collect();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for (window, case) in cases.iter().enumerate() {
        for key in runs(case) {
            let other = *seen.entry(key).or_insert(window);
            let (a, b) = (root(&mut parents, other), root(&mut parents, window));
            parents[a.max(b)] = a.min(b);
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); cases.len()];
    for window in 0..cases.len() {
        groups[root(&mut parents, window)].push(window);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn root(parents: &mut [usize], mut window: usize) -> usize {
    while parents[window] != window {
        parents[window] = parents[parents[window]];
        window = parents[window];
    }
    window
}

/// Hashes of some runs of samples. A run in which a channel stands still is none: sensors that have come off
/// are alike.
fn runs(case: &Case) -> Vec<u64> {
    let channels = case.series.features;
    let positions: Vec<&[f64]> = case.series.values.chunks_exact(channels).collect();
    let mut found = Vec::new();
    for run in positions.windows(RUN) {
        let mut hash = 0xcbf2_9ce4_8422_2325u64; // FNV-1a, by numbers
        for value in run.iter().copied().flatten() {
            hash = (hash ^ value.to_bits()).wrapping_mul(0x0100_0000_01b3);
            hash ^= hash >> 29;
        }
        let moves = |channel: usize| run.iter().any(|at| at[channel] != run[0][channel]);
        if hash.is_multiple_of(EVERY) && (0..channels).all(moves) {
            found.push(hash);
        }
    }
    found
}

/// Groups in random order: the first to train on until 70% of the windows are, then 15% to validate, the
/// rest to test; a part that would be empty gets one group.
fn divide(mut groups: Vec<Vec<usize>>, windows: usize, seed: u64) -> [Vec<usize>; 3] {
    groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut parts: [Vec<usize>; 3] = Default::default();
    let count = groups.len();
    let mut part = 0;
    for (number, group) in groups.into_iter().enumerate() {
        let ends = [0.7, 0.85, 1.0];
        let taken: usize = parts.iter().map(Vec::len).sum();
        let is_full = taken as f64 >= ends[part] * windows as f64;
        let are_needed = count - number <= 2 - part;
        if part < 2 && !parts[part].is_empty() && (is_full || are_needed) {
            part += 1;
        }
        parts[part].extend(group);
    }
    parts
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::formats::array::Array;

    /// Windows of 200 samples, 50 apart, of two recordings.
    fn cases() -> Vec<Case> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut all = Vec::new();
        for recording in 0..2 {
            let samples: Vec<f64> = (0..1000).map(|_| random.random()).collect();
            for first in (0..800).step_by(50) {
                // A channel that came off is alike in all.
                let values = samples[first..first + 200].iter().flat_map(|&it| [it, 0.5]).collect();
                let off = Array { values, features: 2 };
                let values = samples[first..first + 200].iter().flat_map(|&it| [it, -it]).collect();
                let series = Array { values, features: 2 };
                all.push(Case {
                    series: if first == 0 { off } else { series },
                    target: recording.into(),
                });
            }
        }
        all
    }

    #[test]
    fn windows_with_common_samples_stay_together() {
        let cases = cases();
        let groups = recordings(&cases);
        let expected: Vec<Vec<usize>> =
            vec![vec![0], (1..16).collect(), vec![16], (17..32).collect()];
        assert_eq!(groups, expected, "windows with a channel that stands still are alone");
        let parts = divide(groups, 32, 7);
        for group in expected {
            let homes = parts.iter().filter(|part| group.iter().any(|it| part.contains(it)));
            assert_eq!(homes.count(), 1);
        }
        assert!(parts.iter().all(|part| !part.is_empty()));
        let windows = divide((0..1000).map(|window| vec![window]).collect(), 1000, 0);
        assert_eq!(windows.map(|part| part.len()), [700, 150, 150]);
    }
}
