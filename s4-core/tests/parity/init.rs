//! Initial values against the official ones (kind `init`): deterministic ones number by number,
//! random ones in distribution, since their draws depend on the generator's stream.

use s4_config::{Init, InitArgs, SsmConfig, Transform};

use anyhow::{Context, Result, bail, ensure};
use parity::{Case, for_each_case, relative_error, seeded};
use s4_core::ssm::init::InitialSsm;
use s4_core::ssm::init::initial_c;
use s4_core::ssm::init::initial_dt;
use s4_core::ssm::init::initial_ssm;
use s4_core::ssm::transform;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use tch::{Kind, Tensor};

const TOLERANCE: f64 = 1e-8;

/// The official initialisation is in float32 where it has no float64 twin.
const FLOAT32_TOLERANCE: f64 = 1e-5;

/// Copies drawn of a random initialisation: enough that only the official sample's size limits
/// the comparison.
const COPIES: i64 = 500;

/// What a case of this kind is about.
enum Subject {
    Ssm,
    StepsAndOutputs,
    Transforms,
}

fn subject(case: &Case) -> Result<Subject> {
    if case.has("out/A") {
        Ok(Subject::Ssm)
    } else if case.has("in/p") {
        Ok(Subject::Transforms)
    } else if case.json["facts"]["shapes"].is_object() {
        Ok(Subject::StepsAndOutputs)
    } else {
        bail!("neither an initial SSM, nor statistics of dt and C, nor transforms")
    }
}

#[test]
fn parity_init_deterministic() {
    let mut compared = 0;
    for_each_case("init", |case| {
        if !matches!(subject(case)?, Subject::Ssm) || is_random(case)? {
            return Ok(());
        }
        compared += 1;
        let ours = draw(case, 1)?;
        ensure!(ours.a.size() == complex(case, "out/A")?.size(), "A has shape {:?}", ours.a.size());
        ensure!(ours.p.size() == complex(case, "out/P")?.size(), "P has shape {:?}", ours.p.size());
        expect_same(case, "out", &ours, FLOAT32_TOLERANCE)?;
        if case.has("out64/A") {
            expect_same(case, "out64", &ours, TOLERANCE)?;
        }
        Ok(())
    });
    assert!(compared > 0, "no deterministic case");
}

#[test]
fn parity_init_random() {
    let mut compared = 0;
    for_each_case("init", |case| {
        if !matches!(subject(case)?, Subject::Ssm) || !is_random(case)? {
            return Ok(());
        }
        compared += 1;
        let ours = seeded(11, || draw(case, COPIES))?;
        for (name, ours) in [("A", &ours.a), ("B", &ours.b), ("P", &ours.p)] {
            let official = complex(case, &format!("out/{name}"))?;
            same_distribution(&format!("Re {name}"), &ours.real(), &official.real())?;
            same_distribution(&format!("Im {name}"), &ours.imag(), &official.imag())?;
            same_distribution(&format!("|{name}|"), &ours.abs(), &official.abs())?;
        }
        Ok(())
    });
    assert!(compared > 0, "no random case");
}

#[test]
fn parity_init_steps_and_outputs() {
    let mut compared = 0;
    for_each_case("init", |case| {
        if !matches!(subject(case)?, Subject::StepsAndOutputs) {
            return Ok(());
        }
        compared += 1;
        let config = SsmConfig {
            dt_min: case.real("dt_min", 1e-3),
            dt_max: case.real("dt_max", 1e-1),
            dt_tie: case.flag("dt_tie", true),
            dt_transform: transform(case.text("dt_transform", "exp"))?,
            ..SsmConfig::default()
        };
        let (h, pairs) = (case.int("d_model", 0), case.int("d_state", 0) / 2);
        let (stored, c, ssm) = seeded(12, || {
            let c = initial_c(case.int("channels", 1), h, pairs);
            Ok::<_, anyhow::Error>((initial_dt(h, pairs, &config)?, c, draw(case, 1)?))
        })?;

        let shape = |name: &str| shape_of(case, name);
        ensure!(stored.size() == shape("inv_dt")?, "inv_dt has shape {:?}", stored.size());
        ensure!(c.view_as_real().size() == shape("C")?, "C has shape {:?}", c.size());
        ensure!(ssm.a.size() == shape("A_real")?, "A has shape {:?}", ssm.a.size());
        // Stored with an axis for channels in front, and (re, im) at the end.
        ensure!(ssm.b.unsqueeze(0).view_as_real().size() == shape("B")?, "shape of B");
        if case.json["facts"]["shapes"]["P"].is_array() {
            ensure!(ssm.p.view_as_real().size() == shape("P")?, "P has shape {:?}", ssm.p.size());
        }

        // Both are samples of the same size: their statistics agree within a few standard
        // errors of the mean, and the extremes of thousands of values lie close to the limits.
        let log_dt = transform::forward(config.dt_transform, &stored).log();
        let width = config.dt_max.ln() - config.dt_min.ln();
        let count = log_dt.numel() as f64;
        near(case, "log_dt_mean", mean(&log_dt), 6.0 * width / (6.0 * count).sqrt())?;
        near(case, "log_dt_min", log_dt.min().double_value(&[]), 20.0 * width / count)?;
        near(case, "log_dt_max", log_dt.max().double_value(&[]), 20.0 * width / count)?;
        let error = 6.0 / (c.numel() as f64).sqrt();
        near(case, "C_real_std", c.real().std(true).double_value(&[]), error)?;
        near(case, "C_imag_std", c.imag().std(true).double_value(&[]), error)?;
        near(case, "C_mean", mean(&c.view_as_real()), error)
    });
    assert!(compared > 0, "no case with statistics of dt and C");
}

#[test]
fn parity_init_transforms() {
    let mut compared = 0;
    for_each_case("init", |case| {
        if !matches!(subject(case)?, Subject::Transforms) {
            return Ok(());
        }
        compared += 1;
        for (output, expected) in case.group("out64") {
            let (direction, name) = output.split_once('_').context("name without a direction")?;
            let transform = transform(name)?;
            for (kind, group) in [(Kind::Double, "out64"), (Kind::Float, "out")] {
                let ours = match direction {
                    "fwd" => transform::forward(transform, &case.tensor("in/p")?.to_kind(kind)),
                    "inv" => {
                        // The logit is given only where it exists: the smallest inputs come first.
                        let x = case.tensor("in/x")?.narrow(0, 0, expected.size()[0]);
                        transform::inverse(transform, &x.to_kind(kind))
                    }
                    other => bail!("unknown direction {other:?}"),
                };
                match kind {
                    Kind::Double => {
                        case.expect_f64(&format!("{group}/{output}"), &ours, TOLERANCE)?;
                    }
                    _ => case.expect_f32(&format!("{group}/{output}"), &ours)?,
                }
            }
        }
        Ok(())
    });
    assert!(compared > 0, "no case with transforms");
}

/// Not a comparison, but here because it needs the generator to itself.
#[test]
fn parity_init_same_seed_same_start() {
    let start = |seed| -> Tensor {
        let args = InitArgs { real_random: true, ..InitArgs::default() };
        let config = SsmConfig { dt_tie: false, ..SsmConfig::default() };
        seeded(seed, || {
            let ssm = initial_ssm(&"dplr-rand".parse().unwrap(), 8, 1, 2, &args).unwrap();
            let (dt, c) = (initial_dt(2, 4, &config).unwrap(), initial_c(1, 2, 4));
            Tensor::cat(&[ssm.a, ssm.p.squeeze_dim(0), dt, c.squeeze_dim(0)], 0)
        })
    };
    assert_eq!(start(3), start(3));
    assert_ne!(start(3), start(4));
}

/// Our initial SSM for the settings of `case`, with `copies` times as many systems.
fn draw(case: &Case, copies: i64) -> Result<InitialSsm> {
    let init: Init = case.text("init", "").parse()?;
    let n = case.setting("N").as_i64().unwrap_or(case.int("d_state", 0));
    let args = match case.setting("init_args") {
        args if args.is_null() => InitArgs::default(),
        args => InitArgs::deserialize(args)?,
    };
    initial_ssm(&init, n, case.int("rank", 1), case.int("n_ssm", 1) * copies, &args)
}

/// Holds A, B and P against the tensors of `group`.
///
/// HiPPO eigenvectors are free in their phase, so of B and P only |B|, |P| and B conj(P) are
/// defined (see the notes of kind `hippo`); where they are real in their first entry, the phase
/// is a sign, and B² is defined as well. An S4D family with a formula for B has no such freedom.
fn expect_same(case: &Case, group: &str, ours: &InitialSsm, tolerance: f64) -> Result<()> {
    let expect = |what: &str, ours: &Tensor, official: &Tensor| -> Result<()> {
        let error = relative_error(&ours.resolve_conj(), &official.resolve_conj());
        ensure!(error <= tolerance, "{group} {what}: relative L2 error {error:.3e}");
        Ok(())
    };
    let b = complex(case, &format!("{group}/B"))?;
    expect("A", &ours.a, &complex(case, &format!("{group}/A"))?)?;
    expect("|B|", &ours.b.abs(), &b.abs())?;
    let init = case.text("init", "");
    match init.strip_prefix("diag") {
        Some("-legs" | "-hippo") => expect("B²", &ours.b.square(), &b.square())?,
        Some(_) => expect("B", &ours.b, &b)?,
        None => {}
    }
    if !case.has(&format!("{group}/P")) {
        return Ok(());
    }
    let p = complex(case, &format!("{group}/P"))?;
    let size = p.abs().max().double_value(&[]);
    if size == 0.0 {
        ensure!(ours.p.abs().max().double_value(&[]) == 0.0, "{group} P is not zero");
        return Ok(());
    }
    expect("|P|", &ours.p.abs(), &p.abs())?;
    expect("B conj(P)", &(&ours.b * ours.p.conj()), &(&b * p.conj()))
}

/// Two-sample Kolmogorov-Smirnov test at a level of 1e-4, and the means within 4.5 standard errors
/// (which is what notices a wrong scale in an official sample of a few dozen values).
fn same_distribution(what: &str, ours: &Tensor, official: &Tensor) -> Result<()> {
    // In float32 both, lest a constant differ from itself by its rounding.
    let sorted = |x: &Tensor| -> Result<Vec<f32>> {
        let mut values = Vec::<f32>::try_from(x.to_kind(Kind::Float).contiguous().view(-1))?;
        values.sort_by(f32::total_cmp);
        Ok(values)
    };
    let (x, y) = (sorted(ours)?, sorted(official)?);
    // Equal within rounding counts as equal, also -0 and 0.
    let share = |values: &[f32], t: f32| {
        let slack = 1e-5 * t.abs();
        values.partition_point(|&v| v <= t + slack) as f64 / values.len() as f64
    };
    let distance = x.iter().chain(&y).map(|&t| (share(&x, t) - share(&y, t)).abs());
    let distance = distance.fold(0.0, f64::max);
    let sizes = (1.0 / x.len() as f64 + 1.0 / y.len() as f64).sqrt();
    let critical = (2e4f64.ln() / 2.0).sqrt() * sizes;
    ensure!(
        distance <= critical,
        "{what} is distributed otherwise: Kolmogorov-Smirnov distance {distance:.3}, at most \
         {critical:.3} expected"
    );
    let (ours_mean, official_mean) = (mean(ours), mean(official));
    let error = 4.5 * sizes * ours.std(true).double_value(&[]) + 1e-5 * ours_mean.abs();
    ensure!(
        (ours_mean - official_mean).abs() <= error,
        "{what} has mean {ours_mean:.4}, officially {official_mean:.4}; {error:.1e} apart would do"
    );
    Ok(())
}

fn is_random(case: &Case) -> Result<bool> {
    case.json["facts"]["random"].as_bool().context("the case does not say whether it is random")
}

fn transform(name: &str) -> Result<Transform> {
    let name: StrDeserializer<'_, NameError> = name.into_deserializer();
    Ok(Transform::deserialize(name)?)
}

fn complex(case: &Case, name: &str) -> Result<Tensor> {
    Ok(case.tensor(name)?.view_as_complex())
}

fn shape_of(case: &Case, name: &str) -> Result<Vec<i64>> {
    let shape = case.json["facts"]["shapes"][name].as_array();
    let shape = shape.with_context(|| format!("no shape of {name}"))?;
    shape.iter().map(|n| n.as_i64().context("a shape of integers")).collect()
}

fn mean(x: &Tensor) -> f64 {
    x.mean(Kind::Double).double_value(&[])
}

fn near(case: &Case, fact: &str, ours: f64, error: f64) -> Result<()> {
    let official = case.json["facts"][fact].as_f64();
    let official = official.with_context(|| format!("no fact {fact}"))?;
    ensure!(
        (ours - official).abs() <= error,
        "{fact} is {ours}, officially {official}; {error:.2e} apart would do"
    );
    Ok(())
}
