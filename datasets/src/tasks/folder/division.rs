//! Which files of a folder are trained on, and which are held out.

use std::collections::BTreeMap;

use audio_data::part::Part;
use audio_data::split::Names;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Data;
use crate::formats::labelled_files::{BORDERS, LabelledFile};

/// What divides files into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SplitBy {
    /// The hash of their paths.
    #[default]
    Path,
    /// The hash, and each class has a file to train on.
    Class,
    /// The order of the hash in each class: of its files, four fifths are trained on, and a tenth each
    /// validates and tests.
    Stratified,
}

/// Of each class the hashes at which its validation and its test part begin.
pub(super) type Borders = BTreeMap<String, [f64; 2]>;

/// A division: what settings say of it, and what the files decide where they do not.
pub(super) struct Division {
    seed: u64,
    names: Names,
    /// Files that are trained on whatever their hash.
    pub to_train: Option<Vec<String>>,
    /// Borders that are the class's own.
    pub borders: Option<Borders>,
}

impl Division {
    /// The division of `files`, of which each class has one at least.
    pub(super) fn new(settings: &Data, files: &[LabelledFile], class_names: &[String]) -> Self {
        let &Data { seed, names, split_by, .. } = settings;
        let mut division = Self { seed, names, to_train: None, borders: None };
        match split_by {
            SplitBy::Path => {}
            SplitBy::Class => {
                let alone = || division.alone(files, class_names);
                division.to_train = Some(settings.to_train.clone().unwrap_or_else(alone));
            }
            SplitBy::Stratified => {
                let borders = || division.shares(files, class_names);
                division.borders = Some(settings.borders.clone().unwrap_or_else(borders));
            }
        }
        division
    }

    /// The part that a file is in. Other files do not matter.
    pub(super) fn part(&self, file: &LabelledFile) -> Part {
        if self.to_train.iter().flatten().any(|path| *path == self.names.of(&file.path)) {
            return Part::Train;
        }
        let own = self.borders.as_ref().and_then(|borders| borders.get(&file.class));
        file.part(self.seed, self.names, own.copied().unwrap_or(BORDERS))
    }

    /// Of each class whose files would all be held out the one that is nearest to the training part.
    fn alone(&self, files: &[LabelledFile], class_names: &[String]) -> Vec<String> {
        let mut alone = Vec::new();
        for class in class_names {
            let members = || files.iter().filter(|file| file.class == *class);
            if members().all(|file| self.part(file) != Part::Train) {
                let nearest =
                    members().min_by(|a, b| self.position(a).total_cmp(&self.position(b)));
                alone.extend(nearest.map(|file| self.names.of(&file.path)));
            }
        }
        alone
    }

    /// The borders by which each class has its shares now.
    fn shares(&self, files: &[LabelledFile], class_names: &[String]) -> Borders {
        let borders = |class: &String| {
            let members = files.iter().filter(|file| file.class == *class);
            let mut positions: Vec<f64> = members.map(|file| self.position(file)).collect();
            positions.sort_by(f64::total_cmp);
            let count = positions.len();
            // Of the least classes one file each, as far as one is left to train on.
            let tenth = ((count + 5) / 10).max(1);
            let test = tenth.min(count.saturating_sub(1));
            let val = tenth.min(count.saturating_sub(1 + test));
            let start = |held_out: usize| positions.get(count - held_out).copied().unwrap_or(1.0);
            (class.clone(), [start(val + test), start(test)])
        };
        class_names.iter().map(borders).collect()
    }

    fn position(&self, file: &LabelledFile) -> f64 {
        file.position(self.seed, self.names)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files(counts: &[(&str, usize)]) -> Vec<LabelledFile> {
        let of = |&(class, count): &(&str, usize)| {
            let class = class.to_owned();
            (0..count).map(move |i| LabelledFile {
                path: Path::new(&class).join(format!("{i}.wav")),
                class: class.clone(),
            })
        };
        counts.iter().flat_map(of).collect()
    }

    #[test]
    fn each_class_has_its_shares_and_later_files_move_none() {
        let classes = ["many", "few", "three", "two", "one"].map(str::to_owned);
        let before = files(&[("many", 200), ("few", 14), ("three", 3), ("two", 2), ("one", 1)]);
        let settings = Data { split_by: SplitBy::Stratified, ..Data::default() };
        let division = Division::new(&settings, &before, &classes);
        let count = |class: &str, part| {
            let members = before.iter().filter(|file| file.class == class);
            members.filter(|file| division.part(file) == part).count()
        };
        let expected = [[160, 20, 20], [12, 1, 1], [1, 1, 1], [1, 0, 1], [1, 0, 0]];
        for (class, expected) in classes.iter().zip(expected) {
            let parts = [Part::Train, Part::Val, Part::Test];
            assert_eq!(parts.map(|part| count(class, part)), expected, "{class}");
        }

        let settings = Data { borders: division.borders.clone(), ..settings };
        let after = files(&[("many", 400), ("few", 100), ("three", 9), ("two", 9), ("one", 9)]);
        let later = Division::new(&settings, &after, &classes);
        assert!(before.iter().all(|file| later.part(file) == division.part(file)));
        assert!(after.iter().any(|file| file.class == "few" && later.part(file) == Part::Test));
    }
}
