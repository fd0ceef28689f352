//! The scores of the official code.

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};
use dsp::mel::{Mel, MelConfig, Padding, Scale, Sum};
use parity::{Case, for_each_case};
use serde_json::Value;
use tch::Tensor;

use super::cut::Cut;
use super::fid::Moments;
use super::ndb::Cells;
use super::probabilities::Probabilities;
use super::{am, inception, mis, numpy};

fn expect(case: &Case, name: &str, actual: f64, tolerance: f64) -> Result<()> {
    case.expect_f64(name, &Tensor::from(actual), tolerance)
}

fn probabilities(case: &Case, name: &str) -> Result<Probabilities> {
    Probabilities::new(&case.tensor(name)?)
}

fn fid(case: &Case) -> Result<()> {
    let moments = |name: &str| Moments::of(&case.tensor(name)?);
    let few = case.int("n_data", 0).min(case.int("n_gen", 0)) <= case.int("dim", 0);
    let distance = moments("in/data")?.distance(&moments("in/gen")?);
    expect(case, "out64/fid", distance, if few { 1e-6 } else { 1e-8 })
}

fn scores(case: &Case) -> Result<()> {
    let generated = probabilities(case, "in/probs_gen")?;
    let data = probabilities(case, "in/probs_data")?;
    let order = Tensor::from_slice(&numpy::permutation(generated.len(), 0));
    ensure!(order.equal(&case.tensor("in/perm")?), "another permutation than numpy's");
    let pairs = case.tensor("in/pairs")?;
    let drawn = numpy::integers(generated.len(), pairs.numel(), 0);
    ensure!(Tensor::from_slice(&drawn).view_as(&pairs).equal(&pairs), "other pairs than numpy's");
    expect(case, "out64/is", inception::official(&generated), 1e-8)?;
    expect(case, "mid/is_standard", inception::score(&generated), 1e-8)?;
    expect(case, "out64/mis", mis::official(&generated, pairs.size()[0] as usize), 1e-8)?;
    expect(case, "mid/mis_all_pairs", mis::score(&generated), 1e-8)?;
    expect(case, "out64/am", am::score(&data, &generated), 1e-8)
}

fn ndb(case: &Case) -> Result<()> {
    let (data, generated) = (case.tensor("in/data")?, case.tensor("in/gen")?);
    let cells = Cells::around(&case.tensor("mid/centres")?, &data)?;
    let check = |name: &str, actual: Vec<i64>| {
        ensure!(Tensor::from_slice(&actual).equal(&case.tensor(name)?), "other {name}");
        Ok(())
    };
    let labels = cells.assign(&generated)?;
    let numbers = |labels: &[usize]| labels.iter().map(|&label| label as i64).collect();
    check("mid/labels_data", numbers(&cells.assign(&data)?))?;
    check("mid/labels_gen", numbers(&labels))?;
    check("mid/different", cells.different(&labels).into_iter().map(i64::from).collect())?;
    expect(case, "out64/ndb", cells.score(&labels), 1e-8)
}

fn thresholds(case: &Case) -> Result<()> {
    let facts = &case.json["facts"];
    let numbers =
        |value: &Value| -> Result<Vec<f64>> { Ok(serde_json::from_value(value.clone())?) };
    let (lower, upper) = (numbers(&facts["lower"])?, numbers(&facts["upper"])?);
    let pairs = lower.iter().flat_map(|&lower| upper.iter().map(move |&upper| (lower, upper)));
    let cuts: Vec<_> = pairs.map(cut).collect();
    // The JSON is read to the last digit but one.
    let near = |a: &Cut, b: &Cut| (a.lower - b.lower).abs().max((a.upper - b.upper).abs()) < 1e-12;
    let grid = Cut::grid();
    let same = grid.len() == cuts.len() && grid.iter().zip(&cuts).all(|(a, b)| near(a, b));
    ensure!(same, "another grid: {grid:?}");
    let sorted = probabilities(case, "in/probs")?;
    let score = |cut: &Cut| inception::official(&sorted.select(&cut.rows(sorted.len())));
    let scores: Vec<f64> = grid.iter().map(score).collect();
    let shape = [lower.len() as i64, upper.len() as i64];
    case.expect_f64("out64/is_grid", &Tensor::from_slice(&scores).view(shape), 1e-8)?;
    let (best, _) = Cut::best(&sorted, inception::official).context("a cut")?;
    let fact = |name: &str| match numbers(&facts[name])?[..] {
        [lower, upper] => Ok(cut((lower, upper))),
        ref other => bail!("{name} is {other:?}"),
    };
    ensure!(near(&best, &fact("argmax")?), "another best: {best:?}");
    ensure!(
        grid.last()
            .is_some_and(|cut| fact("official_choice").is_ok_and(|official| near(cut, &official)))
    );
    Ok(())
}

fn cut((lower, upper): (f64, f64)) -> Cut {
    Cut { lower, upper }
}

/// What the official classifier hears.
fn logmel(case: &Case) -> Result<()> {
    let samples: Vec<f32> = Vec::try_from(case.tensor("in/audio")?)?;
    for (name, padding) in [("zero", Padding::Zeros), ("reflect", Padding::Reflect)] {
        let config = MelConfig {
            n_fft: case.int("n_fft", 0) as usize,
            hop: case.int("hop_length", 0) as usize,
            bands: case.int("n_mels", 0) as usize,
            sum: Sum::Power,
            scale: Scale::Decibels,
            padding,
            ..MelConfig::default()
        };
        let mel = Mel::new(&config, case.int("sr", 0) as u32)?;
        let found = Tensor::from_slice(&mel.spectrogram(&samples)?).view([config.bands as i64, -1]);
        case.expect_f64(&format!("out64/logmel_{name}"), &found, 1e-8)?;
        case.expect_f32(&format!("out/logmel_{name}"), &found)?;
    }
    Ok(())
}

#[test]
fn parity_scores_float64() {
    let mut seen = HashSet::new();
    for_each_case("audio_metrics", |case| {
        let kind = ["fid", "scores", "ndb", "thresholds", "logmel"]
            .into_iter()
            .find(|kind| case.json["id"].as_str().is_some_and(|id| id.starts_with(kind)));
        seen.extend(kind);
        match kind {
            Some("fid") => fid(case),
            Some("scores") => scores(case),
            Some("ndb") => ndb(case),
            Some("thresholds") => thresholds(case),
            Some(_) => logmel(case),
            None => Ok(()), // The classifier, which is tested where it is.
        }
    });
    assert_eq!(seen.len(), 5, "{seen:?}");
}

#[test]
fn what_underflows_is_finite() {
    let sharp =
        Probabilities::new(&Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0]).view([2, 2])).unwrap();
    for score in [inception::score(&sharp), mis::score(&sharp), mis::official(&sharp, 10)] {
        assert!(score.is_finite() && score > 1.9, "{score}");
    }
    assert!(am::score(&sharp, &sharp).abs() < 1e-12);
    let one = Probabilities::new(&Tensor::from_slice(&[1.0, 0.0]).view([1, 2])).unwrap();
    assert!(am::score(&sharp, &one).is_finite());
    assert_eq!(inception::score(&one), 1.0);
}
