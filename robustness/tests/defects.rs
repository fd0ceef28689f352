//! The ten defects of Robustness Gym v0.1.2, one by one: none of them is here. (The first, attack slices
//! that keep successes only, is in `attacks.rs`.)

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use datasets::batch::Label;
use datasets::metric::Metric;
use rand_chacha::ChaCha8Rng;
use robustness::predictions::Predictions;
use robustness::report::{Report, csv};
use robustness::results::{Results, Row};
use robustness::runner::Runner;
use robustness::slice::Idiom;
use robustness::subject::{About, Item, Subject, Verdict};
use robustness::suite::Suite;
use transformations::content::{Content, Kind, Series};
use transformations::{Changed, Effect, Severity, Transformation};

/// Says whether the first number is above a half; counts what it is asked.
struct Threshold {
    about: About,
    asked: AtomicUsize,
}

impl Threshold {
    fn new() -> Self {
        let about = About {
            run: PathBuf::from("threshold"),
            task: "numbers".to_owned(),
            data: "numbers".to_owned(),
            step: 0,
            model: "threshold".to_owned(),
            kind: Kind::Series,
            classes: vec!["low".to_owned(), "high".to_owned()],
        };
        Self { about, asked: AtomicUsize::new(0) }
    }
}

fn first(item: &Item) -> Option<f32> {
    match &item.content {
        Content::Series(series) => series.values.first().copied(),
        _ => None,
    }
}

impl Subject for Threshold {
    fn about(&self) -> &About {
        &self.about
    }

    fn metric(&self) -> Metric {
        Metric::ACCURACY
    }

    fn len(&self) -> usize {
        40
    }

    fn item(&self, index: usize) -> Result<Item> {
        let values = vec![index as f32 / 40.0; 10 + index % 4];
        let content = Series { values, features: 1 }.into();
        Ok(Item { index, content, label: i64::from(index >= 20).into() })
    }

    fn stratum(&self, index: usize) -> Result<usize> {
        Ok(usize::from(index >= 20))
    }

    fn file(&self, _: usize) -> Option<PathBuf> {
        None
    }

    fn judge(&self, items: &[Item], _: f64) -> Result<Vec<Verdict>> {
        self.asked.fetch_add(items.len(), Ordering::Relaxed);
        let judge = |item: &Item| {
            let Some(first) = first(item).filter(|it| it.is_finite()) else {
                bail!("nothing can be said of this one");
            };
            let predicted = usize::from(first >= 0.5);
            let right = Label::Class(predicted as i64) == item.label;
            let label = Some(if right { predicted } else { 1 - predicted });
            let value = f64::from(u8::from(right));
            Ok(Verdict { value, label, predicted: Some(predicted), confidence: 1.0 })
        };
        items.iter().map(judge).collect()
    }

    fn batch_size(&self) -> usize {
        8
    }
}

/// Fails on some examples in every way in which that is possible, and counts its calls.
struct Fragile;

static CALLS: AtomicUsize = AtomicUsize::new(0);

impl Transformation for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn about(&self) -> &'static str {
        "fails now and then"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Series]
    }

    fn effect(&self) -> Effect {
        Effect::Invariant
    }

    fn strength(&self, _: Severity) -> String {
        "now and then".to_owned()
    }

    fn apply(
        &self,
        content: &Content,
        label: &Label,
        _: Severity,
        _: &mut ChaCha8Rng,
        _: &[Content],
    ) -> Result<Changed> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let Content::Series(series) = content else { bail!("no series") };
        match (series.values[0] * 40.0).round() as usize {
            3 => bail!("three is too many"),
            5 => panic!("five is worse"),
            // The model has nothing to say of it.
            7 => Ok(Changed::same(Series { values: vec![f32::NAN], features: 1 }, label)),
            _ => Ok(Changed::same(content.clone(), label)),
        }
    }
}

fn run(subject: &Threshold, suite: &str) -> Results {
    let suite: Suite = toml::from_str(suite).unwrap();
    suite.validate(Kind::Series).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kept = Predictions::of(folder.path(), "threshold");
    let (runner, drawn) = Runner::new(subject, suite, None, kept, false).unwrap();
    runner.run(drawn).unwrap()
}

fn of<'a>(results: &'a Results, name: &str) -> &'a Row {
    results.rows.iter().find(|row| row.slice.name == name).unwrap()
}

#[test]
fn two_and_three_failures_are_counted_once_each_and_take_no_other_with_them() {
    transformations::register(&Fragile).unwrap();
    let subject = Threshold::new();
    let results =
        run(&subject, "name = 'a'\n[[transformation]]\nname = 'fragile'\nseverities = [1]");
    let row = of(&results, "fragile");
    let failed: Vec<usize> = row.failed.iter().map(|failure| failure.example).collect();
    assert_eq!(failed, [3, 5, 7]);
    for (failure, words) in row.failed.iter().zip(["too many", "worse", "nothing can be said"]) {
        assert!(failure.reason.contains(words), "{failure:?}");
    }
    assert_eq!(row.slice.members.len(), 37);
    assert_eq!(CALLS.load(Ordering::Relaxed), 40);
}

#[test]
fn four_and_five_intervals_are_half_open_and_quantiles_are_of_this_data() {
    let suite = "name = 'a'\n[[subpopulation]]\nscore = 'length'\nlimits = [10, 11, 13]\n\
                 [[subpopulation]]\nscore = 'length'\nquantiles = 2";
    let results = run(&Threshold::new(), suite);
    assert_eq!(of(&results, "length [10, 11)").slice.members.len(), 10);
    assert_eq!(of(&results, "length [11, 13)").slice.members.len(), 20);
    let halves: usize = results.rows[3..].iter().map(|row| row.slice.members.len()).sum();
    assert_eq!(halves, 40);
    assert_eq!(results.suite.subpopulation[1].quantiles, Some(2));
}

#[test]
fn six_and_seven_seeds_decide_and_lineage_is_kept() {
    let suite = |seed: u64| {
        format!(
            "name = 'a'\nseed = {seed}\nexamples = 20\n[[transformation]]\nname = 'sensor-noise'\n"
        )
    };
    let [a, b, c] = [0, 0, 1].map(|seed| run(&Threshold::new(), &suite(seed)));
    let of = |results: &Results| serde_json::to_value(&results.rows).unwrap();
    assert_eq!(of(&a), of(&b));
    assert_ne!(of(&a), of(&c));
    for row in &a.rows[1..] {
        assert_eq!(row.slice.idiom, Idiom::Transformation);
        assert!(row.slice.lineage[0].contains("20 of 40"), "{:?}", row.slice.lineage);
        assert!(row.slice.lineage[1].starts_with("sensor-noise"), "{:?}", row.slice.lineage);
    }
}

#[test]
fn eight_and_nine_order_is_the_suites_and_empty_slices_stay() {
    let suite = "name = 'a'\n[[subpopulation]]\nscore = 'length'\nlimits = [0, 5, 12]\n\
                 [[subpopulation]]\nscore = 'label'";
    let subject = Threshold::new();
    let results = run(&subject, suite);
    let names: Vec<&str> = results.rows.iter().map(|row| row.slice.name.as_str()).collect();
    assert_eq!(names, ["all", "length [0, 5)", "length [5, 12)", "label high", "label low"]);
    assert!(results.rows[1].score.is_none());
    let results = [results];
    let table = csv::text(&Report::new(&results).unwrap()).unwrap();
    // The reader refuses a row of another length than the heading's.
    let read = ::csv::Reader::from_reader(table.as_bytes()).into_records().collect();
    let records: Vec<::csv::StringRecord> = Result::<_, ::csv::Error>::unwrap(read);
    assert!(records.len() == 5 && table.contains("length [0, 5)"), "{table}");
    // An example in several slices is judged once.
    assert_eq!(subject.asked.load(Ordering::Relaxed), 40);
}

#[test]
fn ten_results_are_json() {
    let results = run(&Threshold::new(), "name = 'a'");
    let text = serde_json::to_string(&results).unwrap();
    let again: Results = serde_json::from_str(&text).unwrap();
    assert_eq!(again.rows.len(), results.rows.len());
}
