//! What a model is judged on, as TOML.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use derive_more::Display;
use program::exit::usage;
use serde::{Deserialize, Serialize};
use transformations::content::Kind;
use transformations::{Severity, of_kind};

use crate::attack::{self, Budget};
use crate::probe::Probes;
use crate::subpopulation;

/// A suite. The same suite, model and data always give the same results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name in reports.
    pub name: String,
    /// What all its randomness follows from.
    #[serde(default)]
    pub seed: u64,
    /// How many examples of the test part are drawn, all classes by their shares; all where it is
    /// missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub examples: Option<usize>,
    /// A CSV file with a column `example` (numbers in the test part) or `file` (names), whose other
    /// columns can be scores: `column:NAME`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metadata: Option<PathBuf>,
    /// Folder of the recordings that `background-noise` mixes in; `_background_noise_` of the data where
    /// it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub background_noise: Option<PathBuf>,
    /// The score whose equal values belong together, such as `speaker`: resampled whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clusters: Option<String>,
    /// Parts of the data.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub subpopulation: Vec<Subpopulation>,
    /// Changes of the data.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub transformation: Vec<Transformation>,
    /// What a model of codes does after damage, and on its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probes: Option<Probes>,
    /// Folders of evaluation sets (`robustness freeze`).
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evaluation_sets: Vec<PathBuf>,
    /// What is tried against the model.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attack: Vec<Attack>,
}

/// Parts of the data, by a score or made of others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subpopulation {
    /// What examples are divided by (`robustness list`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Limits of half-open intervals of the score, ascending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<f64>>,
    /// Number of parts of equal size, whose limits are quantiles of this data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<usize>,
    /// What a part that is made of others is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Members of all of these parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<String>,
    /// Members of any of these parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<String>,
    /// Members of none of these parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none_of: Vec<String>,
}

/// A change of the data at some severities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformation {
    /// Which (`robustness list`).
    pub name: String,
    /// At which severities, 1 to 5; all that it has where it is missing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub severities: Vec<Severity>,
    /// Tell the model of a changed sampling rate by its `rate`.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub rate: bool,
}

impl Transformation {
    /// Its severities.
    ///
    /// # Errors
    /// If there is no such transformation.
    pub fn severities(&self) -> Result<Vec<Severity>> {
        let all = transformations::find(&self.name)?.severities();
        Ok(if self.severities.is_empty() { all.to_vec() } else { self.severities.clone() })
    }
}

/// An attack at some budgets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Which (`robustness list`).
    pub name: String,
    /// How much it may change: of pictures "8/255" or "0.3", of sound and series "30 dB", of text "5%".
    pub budgets: Vec<Budget>,
    /// How many of the drawn examples it is made on, classes by their shares; all where it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub examples: Option<usize>,
    /// Steps, or queries; the attack's usual number where it is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<usize>,
}

/// A ready-made suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
pub enum Preset {
    /// One severity, few examples: a minute.
    #[display("quick")]
    Quick,
    /// Three severities: under ten minutes for a small model on two cores.
    #[display("standard")]
    Standard,
    /// All severities, all examples.
    #[display("full")]
    Full,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];

    /// Seconds that it may take, which decide how many examples are drawn; `None`: all of them.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Quick => Some(60.0),
            Self::Standard => Some(420.0),
            Self::Full => None,
        }
    }

    /// What it is for models of `kind`; `noise` is a folder of recordings of noise, if there is one.
    pub fn suite(self, kind: Kind, noise: Option<PathBuf>) -> Suite {
        let severities: &[u8] = match self {
            Self::Quick => &[3],
            Self::Standard => &[1, 3, 5],
            Self::Full => &[1, 2, 3, 4, 5],
        };
        let severities = || severities.iter().filter_map(|&it| Severity::new(it).ok()).collect();
        let changes = of_kind(kind).filter(|it| noise.is_some() || !it.mixes_noise()).map(|it| {
            let mut chosen: Vec<Severity> = severities();
            chosen.retain(|severity| it.severities().contains(severity));
            if chosen.is_empty() {
                chosen = it.severities().to_vec();
            }
            Transformation { name: it.name().to_owned(), severities: chosen, rate: false }
        });
        let mut transformation: Vec<_> = changes.collect();
        let told = transformation.iter().position(|it| it.name == "lower-rate");
        if let Some(place) = told {
            let told = Transformation { rate: true, ..transformation[place].clone() };
            transformation.insert(place + 1, told);
        }
        let parts = subpopulation::of_kind(kind).map(|score| Subpopulation {
            score: Some(score.name().to_owned()),
            quantiles: score.is_number().then_some(4),
            ..Default::default()
        });
        Suite {
            name: self.to_string(),
            background_noise: noise.filter(|_| kind == Kind::Sound),
            subpopulation: parts.collect(),
            transformation,
            attack: self.attacks(kind),
            ..Suite::default()
        }
    }

    /// The attacks that it has on models of `kind`.
    fn attacks(self, kind: Kind) -> Vec<Attack> {
        let usual = Budget::usual(kind);
        let some = |sizes: &[&str]| -> Vec<Budget> {
            usual.iter().filter(|it| sizes.contains(&it.to_string().as_str())).copied().collect()
        };
        let two = some(&["8/255", "0.1", "30 dB", "20 dB", "2%", "5%"]);
        let three = some(&["2/255", "8/255", "32/255", "40 dB", "30 dB", "20 dB", "2%", "5%"]);
        // Square has no gradients to lead it, and takes as many queries as it is given.
        let entries: &[(&str, &[Budget], Option<usize>)] = match self {
            Self::Quick => &[("fgsm", &two, None), ("hotflip", &two, None)],
            Self::Standard => &[
                ("fgsm", &usual, None),
                ("pgd", &three, None),
                ("square", &two, Some(100)),
                ("hotflip", &usual, None),
            ],
            Self::Full => &[
                ("fgsm", &usual, None),
                ("pgd", &usual, None),
                ("apgd-ce", &usual, None),
                ("apgd-dlr", &usual, None),
                ("square", &two, None),
                ("hotflip", &usual, None),
            ],
        };
        let examples = match self {
            Self::Quick => 50,
            Self::Standard => 200,
            Self::Full => 1000,
        };
        let entries = entries.iter().filter(|entry| attack::find(entry.0, kind).is_ok());
        let attack = |&(name, budgets, steps): &(&str, &[Budget], Option<usize>)| Attack {
            name: name.to_owned(),
            budgets: budgets.to_vec(),
            examples: Some(examples),
            steps,
        };
        entries.map(attack).collect()
    }
}

impl Suite {
    /// The suite that `name` means for models of `kind`, a preset or a TOML file, and the preset. Where it
    /// names no recordings of noise, it takes those in the folder `noise`, if there is one.
    ///
    /// # Errors
    /// If it is neither, or the file contradicts itself.
    pub fn open(name: &str, kind: Kind, noise: Option<PathBuf>) -> Result<(Self, Option<Preset>)> {
        if let Some(preset) = Preset::ALL.into_iter().find(|preset| preset.to_string() == name) {
            return Ok((preset.suite(kind, noise), Some(preset)));
        }
        let path = Path::new(name);
        if !path.is_file() {
            return Err(usage(format!(
                "there is no suite `{name}`: name quick, standard, full, or a TOML file; `robustness \
                 list --suite standard` prints one to begin with"
            )));
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let mut suite: Self = toml::from_str(&text).with_context(|| name.to_owned())?;
        // Files that it names are beside it.
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = suite.evaluation_sets.iter_mut().chain(&mut suite.metadata);
        for file in named.chain(&mut suite.background_noise) {
            *file = folder.join(&*file);
        }
        suite.background_noise = suite.background_noise.or(noise);
        suite.validate(kind).with_context(|| name.to_owned())?;
        Ok((suite, None))
    }

    /// Checks what the types cannot, for models of `kind`.
    ///
    /// # Errors
    /// With the entry and what is allowed.
    pub fn validate(&self, kind: Kind) -> Result<()> {
        ensure!(self.examples != Some(0), "examples = 0: leave it out to take all");
        for change in &self.transformation {
            let found = transformations::find(&change.name)?;
            ensure!(
                found.kinds().contains(&kind),
                "the transformation `{}` is not for {kind}; `robustness list` shows what is",
                change.name
            );
            ensure!(
                !found.mixes_noise() || self.background_noise.is_some(),
                "`{}` needs recordings of noise: name their folder by `background_noise`",
                change.name
            );
            if let Some(other) =
                change.severities.iter().find(|it| !found.severities().contains(it))
            {
                bail!("`{}` has one strength, severity 1, and none of {other}", change.name);
            }
        }
        for entry in &self.attack {
            entry.validate(kind)?;
        }
        for part in &self.subpopulation {
            let made = part.all_of.len() + part.any_of.len() + part.none_of.len();
            match (&part.score, &part.name) {
                (Some(score), None) if made == 0 => {
                    if !score.starts_with(subpopulation::COLUMN) {
                        subpopulation::find(score, kind)?;
                    }
                    ensure!(
                        part.limits.is_none() || part.quantiles.is_none(),
                        "`{score}` has limits and quantiles; leave one of them out"
                    );
                    ensure!(part.quantiles != Some(0), "`{score}` in 0 quantiles");
                    if let Some(limits) = &part.limits {
                        ensure!(
                            limits.len() > 1 && limits.windows(2).all(|pair| pair[0] < pair[1]),
                            "the limits of `{score}` must be two or more, ascending"
                        );
                    }
                }
                (None, Some(_)) if made > 0 => {}
                _ => bail!(
                    "a subpopulation has a `score` (with `limits` or `quantiles`), or a `name` with \
                     `all_of`, `any_of` or `none_of` other parts"
                ),
            }
        }
        Ok(())
    }
}

impl Attack {
    fn validate(&self, kind: Kind) -> Result<()> {
        let (name, attack) = (&self.name, attack::find(&self.name, kind)?);
        ensure!(!self.budgets.is_empty(), "`{name}` has no budget");
        for budget in &self.budgets {
            ensure!(
                budget.fits(kind),
                "`{name}` with budget \"{budget}\": budgets of {kind} are written as {}",
                Budget::example(kind)
            );
        }
        ensure!(self.examples != Some(0), "`{name}` with examples = 0: leave it out to take all");
        ensure!(
            self.steps != Some(0),
            "`{name}` with steps = 0: leave it out for the usual number"
        );
        ensure!(
            self.steps.is_none() || attack.steps().is_some(),
            "`{name}` takes no steps: leave them out"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_suites_that_read_back() {
        for kind in Kind::ALL {
            for preset in Preset::ALL {
                let suite = preset.suite(kind, Some("noise".into()));
                suite.validate(kind).unwrap();
                let text = toml::to_string(&suite).unwrap();
                assert_eq!(toml::from_str::<Suite>(&text).unwrap(), suite, "{text}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("name = 'a'\nexamples = 0", "examples = 0"),
            ("name = 'a'\n[[transformation]]\nname = 'gaussian'", "no transformation `gaussian`"),
            ("name = 'a'\n[[subpopulation]]\nscore = 'label'\nlimits = [2, 1]", "ascending"),
            ("name = 'a'\n[[subpopulation]]\nname = 'b'", "all_of"),
            ("name = 'a'\n[[attack]]\nname = 'pdg'\nbudgets = ['8/255']", "no attack `pdg`"),
            ("name = 'a'\n[[attack]]\nname = 'hotflip'\nbudgets = ['5%']", "no attack `hotflip`"),
            ("name = 'a'\n[[attack]]\nname = 'pgd'\nbudgets = []", "no budget"),
            ("name = 'a'\n[[attack]]\nname = 'pgd'\nbudgets = ['30 dB']", "8/255"),
            ("name = 'a'\n[[attack]]\nname = 'fgsm'\nbudgets = ['0.1']\nsteps = 3", "no steps"),
        ] {
            let suite: Suite = toml::from_str(text).unwrap();
            let error = suite.validate(Kind::Picture).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let error =
            toml::from_str::<Suite>("name = 'a'\n[[transformation]]\nname = 'b'\nseverities = [6]");
        assert!(error.unwrap_err().to_string().contains("there are 1 to 5"));
    }
}
