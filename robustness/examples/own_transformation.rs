//! A transformation, a score and a model of one's own, and a suite that a build can fail on.
//!
//! The model here is a rule: a series is "rising" if its second half is higher than its first.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use datasets::batch::Label;
use datasets::metric::Metric;
use program::output::{say, say_all};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use robustness::predictions::Predictions;
use robustness::report::{Report, terminal};
use robustness::runner::Runner;
use robustness::subject::{About, Item, Subject, Verdict};
use robustness::subpopulation::{self, Measure, Value};
use robustness::suite::Suite;
use transformations::content::{Content, Kind, Series};
use transformations::{Changed, Effect, Severity, Transformation, seed};

/// A sensor that fails: from some point on it says what it said last.
struct Stuck;

impl Transformation for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn about(&self) -> &'static str {
        "a sensor that says what it said last"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Series]
    }

    fn effect(&self) -> Effect {
        Effect::Invariant
    }

    fn strength(&self, severity: Severity) -> String {
        format!("the last {}%", 15 * severity.number())
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        severity: Severity,
        _: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        let Content::Series(series) = content else {
            return Ok(Changed::same(content.clone(), label));
        };
        let mut values = series.values.clone();
        let from = values.len() - values.len() * 15 * usize::from(severity.number()) / 100;
        let last = values[from - 1];
        values[from..].fill(last);
        Ok(Changed::same(Series { values, ..*series }, label))
    }
}

/// How steep it is.
const SLOPE: Measure = Measure {
    name: "slope",
    about: "difference of the ends",
    kinds: &[Kind::Series],
    is_number: true,
    of: |item, _| {
        let Content::Series(series) = &item.content else { return Ok(None) };
        let ends = series.values.first().zip(series.values.last());
        Ok(ends.map(|(first, last)| Value::Number(f64::from((last - first).abs()))))
    },
};

/// The rule, and noisy lines.
struct Rule(About);

impl Subject for Rule {
    fn about(&self) -> &About {
        &self.0
    }

    fn metric(&self) -> Metric {
        Metric::ACCURACY
    }

    fn len(&self) -> usize {
        200
    }

    fn item(&self, index: usize) -> Result<Item> {
        let mut random = seed::generator("line", &[index as u64]);
        let slope = random.random_range(-2.0..2.0f32);
        let noise = |_| random.random_range(-1.0..1.0f32);
        let noise: Vec<f32> = (0..40).map(noise).collect();
        let values = noise.iter().enumerate().map(|(i, noise)| slope * i as f32 / 40.0 + noise);
        let content = Series { values: values.collect(), features: 1 }.into();
        Ok(Item { index, content, label: i64::from(slope > 0.0).into() })
    }

    fn stratum(&self, _: usize) -> Result<usize> {
        Ok(0)
    }

    fn file(&self, _: usize) -> Option<PathBuf> {
        None
    }

    fn judge(&self, items: &[Item], _: f64) -> Result<Vec<Verdict>> {
        let verdict = |item: &Item| -> Result<Verdict> {
            let Content::Series(series) = &item.content else { anyhow::bail!("no series") };
            let (first, second) = series.values.split_at(series.values.len() / 2);
            let rises = second.iter().sum::<f32>() > first.iter().sum::<f32>();
            let right = Label::Class(i64::from(rises)) == item.label;
            let label = Some(usize::from(rises == right));
            let predicted = Some(usize::from(rises));
            Ok(Verdict { value: f64::from(u8::from(right)), label, predicted, confidence: 1.0 })
        };
        items.iter().map(verdict).collect()
    }

    fn batch_size(&self) -> usize {
        50
    }
}

const SUITE: &str = r#"
name = "sensors"
[[subpopulation]]
score = "slope"
quantiles = 2
[[transformation]]
name = "stuck"
severities = [1, 5]
[[transformation]]
name = "drift"
severities = [1]
"#;

fn main() -> Result<()> {
    transformations::register(&Stuck)?;
    subpopulation::register(&SLOPE)?;
    let model = Rule(About {
        run: PathBuf::from("rule"),
        task: "lines".to_owned(),
        data: "200 noisy lines".to_owned(),
        step: 0,
        model: "rule".to_owned(),
        kind: Kind::Series,
        classes: vec!["falling".to_owned(), "rising".to_owned()],
    });
    let suite: Suite = toml::from_str(SUITE)?;
    suite.validate(Kind::Series)?;
    let folder = tempfile::tempdir()?;
    let kept = Predictions::of(Path::new(folder.path()), "rule");
    let (runner, drawn) = Runner::new(&model, suite, None, kept, false)?;
    let results = runner.run(drawn)?;
    say_all(terminal::text(&Report::new(std::slice::from_ref(&results))?))?;
    // What a build fails on.
    let worst = results.worst_group().and_then(|row| row.score).map_or(0.0, |score| score.value);
    ensure!(worst > 0.6, "the worst group is right in {:.0}%", 100.0 * worst);
    say(format_args!("the worst group is right in {:.0}%", 100.0 * worst))
}
