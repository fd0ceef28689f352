//! What came out: one JSON, of which every report is made.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use datasets::metric::{Better, Metric, Unit};
use program::files;
use report::bootstrap::{Bootstrap, Units};
use report::cell::Judgement;
use report::interval::Interval;
use report::{fisher, holm, mcnemar};
use serde::{Deserialize, Serialize};

use crate::attack::Outcome;
use crate::compare::LEVEL;
use crate::flip::{Flip, Side};
use crate::probe::Probe;
use crate::slice::{Idiom, Slice};
use crate::subject::{About, Verdict};
use crate::suite::Suite;

/// The layout of the file; a change of it must change the number.
const VERSION: u32 = 1;

/// As often as the papers of this field resample.
pub(crate) const BOOTSTRAP: Bootstrap = Bootstrap { replicates: 10_000, seed: 0 };

/// A model's results on a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Which layout the file has.
    pub version: u32,
    /// The model and its data.
    pub about: About,
    /// By which figure it is judged.
    pub metric: Figure,
    /// What it was judged on.
    pub suite: Suite,
    /// How many examples were drawn, of how many, and why.
    pub drawn: String,
    /// Seconds that it took, over all sittings.
    pub seconds: f64,
    /// A row a slice; the first is the clean one.
    pub rows: Vec<Row>,
    /// What a model of codes does after damage, and on its own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub probes: Vec<Probe>,
    /// What makes some of it doubtful.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Where they were read from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A metric, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Whether higher is better.
    pub higher_is_better: bool,
    /// Whether it is a share, shown in percent; each example is then right or wrong.
    pub share: bool,
}

/// A slice with what the model made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The slice. Its members are those that were judged.
    pub slice: Slice,
    /// The mean of the verdicts; `None` of an empty slice.
    pub score: Option<Estimate>,
    /// Against the clean slice: of changed examples, the same ones unchanged; of parts, the rest.
    pub change: Option<Change>,
    /// What the model made of each member.
    pub verdicts: Vec<Verdict>,
    /// Examples that could not be changed or judged, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<Failure>,
    /// Examples in which there was nothing to change, which are no members.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unchanged: Vec<usize>,
    /// What came of it, where the slice is an attack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attack: Option<Outcome>,
    /// Some of the members that the change made wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flips: Vec<Flip>,
}

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its 95% interval: Wilson's of shares of examples, else the bootstrap's.
    #[serde(flatten)]
    pub interval: Interval,
}

/// A difference, and whether chance explains it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The difference of the means.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Probability of one as large by chance: exact McNemar of the same examples, Fisher's
    /// of others; of clusters and of figures that are no shares, by bootstrap.
    pub p: f64,
    /// The same after Holm's correction for all slices of the suite.
    pub p_holm: f64,
}

/// An example that was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Its number.
    pub example: usize,
    /// Why.
    pub reason: String,
}

impl From<Metric> for Figure {
    fn from(metric: Metric) -> Self {
        Self {
            name: metric.name.to_owned(),
            higher_is_better: metric.better == Better::Higher,
            share: metric.unit == Unit::Percent,
        }
    }
}

impl Figure {
    /// A value as it is shown.
    pub fn show(&self, value: f64) -> String {
        if self.share { format!("{:.1}%", 100.0 * value) } else { format!("{value:.3}") }
    }

    /// A difference as it is shown, with its sign.
    pub fn show_change(&self, value: f64) -> String {
        if self.share { format!("{:+.1}", 100.0 * value) } else { format!("{value:+.3}") }
    }

    /// Whether a difference is for the worse.
    pub fn is_worse(&self, change: f64) -> bool {
        if self.higher_is_better { change < 0.0 } else { change > 0.0 }
    }

    /// What a value is short of the best possible: an error rate, or the value itself where lower is
    /// better.
    pub fn error(&self, value: f64) -> f64 {
        if self.higher_is_better { 1.0 - value } else { value }
    }
}

/// Values of some examples, and which of them belong together.
pub struct Sample<'a> {
    /// A value each.
    pub values: &'a [f64],
    /// What is resampled whole: a label each. `None`: each example by itself.
    pub clusters: Option<&'a [String]>,
}

impl Sample<'_> {
    fn units(&self) -> Units {
        match self.clusters {
            Some(labels) => Units::clusters(labels),
            None => Units::each(self.values.len()),
        }
    }

    fn mean(&self, drawn: &[usize]) -> f64 {
        drawn.iter().map(|&i| self.values[i]).sum::<f64>() / drawn.len().max(1) as f64
    }

    /// The mean with its interval; `None` of nothing.
    pub fn estimate(&self, figure: &Figure) -> Option<Estimate> {
        let count = self.values.len();
        (count > 0).then(|| {
            if !figure.share || self.clusters.is_some() {
                return self.bootstrapped();
            }
            let value = self.values.iter().sum::<f64>() / count as f64;
            let successes = self.values.iter().filter(|&&value| value > 0.5).count();
            Estimate { value, interval: Interval::wilson(successes, count) }
        })
    }

    /// The mean with the bootstrap's interval; there is at least one value.
    pub fn bootstrapped(&self) -> Estimate {
        let value = self.values.iter().sum::<f64>() / self.values.len() as f64;
        Estimate { value, interval: BOOTSTRAP.interval(&self.units(), |drawn| self.mean(drawn)) }
    }

    /// What is larger than in `before`, of the same examples.
    pub fn change_from(&self, before: &[f64], figure: &Figure) -> Option<Change> {
        let count = self.values.len();
        (count > 0 && before.len() == count).then(|| {
            let units = self.units();
            let differences: Vec<f64> =
                self.values.iter().zip(before).map(|(after, before)| after - before).collect();
            let value = differences.iter().sum::<f64>() / count as f64;
            let differences = Sample { values: &differences, clusters: None };
            let replicates = BOOTSTRAP.replicates(&units, |drawn| differences.mean(drawn));
            let interval = Interval::percentile(&replicates);
            let p = if figure.share && self.clusters.is_none() {
                let pairs = || self.values.iter().zip(before);
                let gained = pairs().filter(|(after, before)| after > before).count();
                let lost = pairs().filter(|(after, before)| after < before).count();
                mcnemar::exact(gained as u64, lost as u64)
            } else {
                two_sided(&replicates)
            };
            Change { estimate: Estimate { value, interval }, p, p_holm: p }
        })
    }

    /// What is larger than in `others`, which are other examples.
    pub fn change_against(&self, others: &Sample<'_>, figure: &Figure) -> Option<Change> {
        (!self.values.is_empty() && !others.values.is_empty()).then(|| {
            let all = |sample: &Sample<'_>| (0..sample.values.len()).collect::<Vec<_>>();
            let value = self.mean(&all(self)) - others.mean(&all(others));
            let units = (self.units(), others.units());
            let difference = |a: &[usize], b: &[usize]| self.mean(a) - others.mean(b);
            let replicates = BOOTSTRAP.replicates_of_two((&units.0, &units.1), difference);
            let interval = Interval::percentile(&replicates);
            let clustered = self.clusters.is_some() || others.clusters.is_some();
            let p = if figure.share && !clustered {
                let right = |of: &Sample<'_>| of.values.iter().filter(|&&it| it > 0.5).count();
                let table = |of: &Sample<'_>| [right(of), of.values.len() - right(of)];
                fisher::exact(table(self), table(others))
            } else {
                two_sided(&replicates)
            };
            Change { estimate: Estimate { value, interval }, p, p_holm: p }
        })
    }
}

/// Twice the share of replicates on the other side of 0, at least one of them.
fn two_sided(replicates: &[f64]) -> f64 {
    let count = replicates.len() as f64;
    let share = |of: &dyn Fn(f64) -> bool| {
        (replicates.iter().filter(|&&value| of(value)).count() as f64 + 1.0) / (count + 1.0)
    };
    (2.0 * share(&|x| x <= 0.0).min(share(&|x| x >= 0.0))).min(1.0)
}

impl Change {
    /// What it means, if it is significant.
    pub fn judgement(&self, figure: &Figure) -> Option<Judgement> {
        let value = self.estimate.value;
        (self.p_holm < LEVEL && value != 0.0)
            .then(|| if figure.is_worse(value) { Judgement::Worse } else { Judgement::Better })
    }
}

impl Row {
    /// A slice with a verdict on each of its members, and nothing else to say.
    pub fn new(slice: Slice, score: Option<Estimate>, verdicts: Vec<Verdict>) -> Self {
        Self {
            slice,
            score,
            verdicts,
            change: None,
            failed: Vec::new(),
            unchanged: Vec::new(),
            attack: None,
            flips: Vec::new(),
        }
    }

    /// The verdicts' values.
    pub fn values(&self) -> Vec<f64> {
        self.verdicts.iter().map(|verdict| verdict.value).collect()
    }

    /// How many members have, and are said to have, each of `classes` classes.
    pub fn distributions(&self, classes: usize) -> (Vec<usize>, Vec<usize>) {
        let count = |of: fn(&Verdict) -> Option<usize>| {
            let mut counts = vec![0; classes];
            for class in self.verdicts.iter().filter_map(of) {
                if let Some(count) = counts.get_mut(class) {
                    *count += 1;
                }
            }
            counts
        };
        (count(|verdict| verdict.label), count(|verdict| verdict.predicted))
    }
}

impl Results {
    /// Results of these rows, with Holm's correction made.
    pub fn new(
        about: About,
        metric: Figure,
        suite: Suite,
        drawn: String,
        seconds: f64,
        mut rows: Vec<Row>,
    ) -> Self {
        let p: Vec<f64> = rows.iter().filter_map(|row| row.change.map(|it| it.p)).collect();
        let changes = rows.iter_mut().filter_map(|row| row.change.as_mut());
        for (change, p) in changes.zip(holm::adjust(&p)) {
            change.p_holm = p;
        }
        let (probes, warnings, folder) = (Vec::new(), Vec::new(), PathBuf::new());
        let version = VERSION;
        Self { version, about, metric, suite, drawn, seconds, rows, probes, warnings, folder }
    }

    /// The results in a file.
    ///
    /// # Errors
    /// If it cannot be read, or is none of results of this version.
    pub fn read(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        let bytes = fs::read(&path).map_err(files::cannot("read", &path))?;
        let mut results: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} holds no results of `robustness run`", name()))?;
        ensure!(
            results.version == VERSION,
            "{} is of version {}, this program reads version {VERSION}; run the suite again",
            name(),
            results.version
        );
        results.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(results)
    }

    /// Writes them to `folder`, with the examples that flipped beside them, in place of those that are
    /// there.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let sides = |results: &Self| -> Vec<Side> {
            let flips = results.rows.iter().flat_map(|row| row.flips.clone());
            flips.flat_map(|flip| [flip.before, flip.after]).collect()
        };
        if let Ok(old) = Self::read(folder) {
            // One that stays is clutter, no error.
            sides(&old).iter().for_each(|side| drop(fs::remove_file(folder.join(&side.file))));
        }
        sides(self).iter().try_for_each(|side| side.write(folder))?;
        files::write(&folder.join(FILE), &serde_json::to_vec(self)?)
    }

    /// The clean row.
    pub fn clean(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.slice.idiom == Idiom::Clean)
    }

    /// The subpopulation with the worst score, of those that have members.
    pub fn worst_group(&self) -> Option<&Row> {
        let parts = self.rows.iter().filter(|row| row.slice.idiom == Idiom::Subpopulation);
        let key = |row: &&Row| row.score.map(|score| self.metric.error(score.value));
        parts
            .filter(|row| row.score.is_some())
            .max_by(|a, b| key(a).unwrap_or(0.0).total_cmp(&key(b).unwrap_or(0.0)))
    }
}

/// What results are called in a folder.
pub const FILE: &str = "results.json";
