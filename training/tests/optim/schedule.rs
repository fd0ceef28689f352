//! Schedules against their closed forms and against PyTorch's numbers.

use std::f64::consts::PI;

use anyhow::{Result, ensure};
use training::schedule::{Goal, Period, PlateauConfig, Schedule, ScheduleState, ThresholdMode};

fn state(schedule: Schedule) -> ScheduleState {
    ScheduleState::new(schedule, 1000, 10).expect("valid schedule")
}

fn assert_close(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-15, "{actual} instead of {expected}");
}

#[test]
fn cosine_warmup_is_linear_then_cosine_then_zero() {
    let s = state(Schedule::CosineWarmup { warmup_steps: 4, total_steps: Some(104) });
    for (step, expected) in [(0, 0.0), (1, 0.25), (3, 0.75), (4, 1.0), (54, 0.5), (104, 0.0)] {
        assert_close(s.factor(step), expected);
    }
    assert_close(s.factor(29), 0.5 * (1.0 + (PI / 4.0).cos()));
    assert_close(s.factor(1_000), 0.0);
    let cold = state(Schedule::CosineWarmup { warmup_steps: 0, total_steps: Some(100) });
    assert_close(cold.factor(0), 1.0);
}

#[test]
fn other_warmups() {
    let s = state(Schedule::ConstantWarmup { warmup_steps: 2 });
    assert_eq!([0, 1, 2, 99].map(|t| s.factor(t)), [0.0, 0.5, 1.0, 1.0]);
    let s = state(Schedule::LinearWarmup { warmup_steps: 2, total_steps: Some(6) });
    assert_eq!([0, 1, 2, 3, 5, 6, 7].map(|t| s.factor(t)), [0.0, 0.5, 1.0, 0.75, 0.25, 0.0, 0.0]);
    assert_eq!(state(Schedule::Constant {}).factor(12_345), 1.0);
}

#[test]
fn cosine_counts_epochs_or_steps() {
    let epochs = state(Schedule::Cosine { total: Some(4), per: Period::Epoch, final_factor: 0.2 });
    let steps = state(Schedule::Cosine { total: Some(4), per: Period::Step, final_factor: 0.2 });
    for k in 0..=4 {
        let expected = 0.2 + 0.8 * 0.5 * (1.0 + (PI * k as f64 / 4.0).cos());
        assert_close(steps.factor(k), expected);
        // Ten steps an epoch, all at the epoch's rate.
        assert_close(epochs.factor(10 * k), expected);
        assert_close(epochs.factor(10 * k + 9), expected);
    }
    assert_close(steps.factor(6), 0.2);
}

#[test]
fn parity_cosine_annealing_of_example_py() {
    parity::for_each_case("train_step", |case| {
        let expected = case.tensor("out64/lr_cosine")?; // (epochs + 1, groups)
        let [rows, groups] = expected.size()[..] else {
            anyhow::bail!("lr_cosine has shape {:?}", expected.size());
        };
        let epochs = rows - 1;
        let schedule =
            Schedule::Cosine { total: Some(epochs as u64), per: Period::Epoch, final_factor: 0.0 };
        let state = ScheduleState::new(schedule, 1000, 7)?;
        let param_groups = &case.json["facts"]["param_groups"];
        for group in 0..groups {
            let base = param_groups[group as usize]["lr"].as_f64().expect("rate of the group");
            for epoch in 0..=epochs {
                let lr = base * state.factor(epoch as u64 * 7);
                let truth = expected.double_value(&[epoch, group]);
                // PyTorch multiplies its way from one epoch to the next, so it ends near 0.
                ensure!((lr - truth).abs() <= 1e-14 * base, "epoch {epoch}: {lr}, not {truth}");
            }
        }
        Ok(())
    });
}

/// The factors after each of `metrics`.
fn plateau(config: PlateauConfig, metrics: &[f64]) -> Vec<f64> {
    let mut s = state(Schedule::Plateau(config));
    metrics
        .iter()
        .map(|&metric| {
            let before = s.factor(0);
            let reported = s.observe(metric);
            assert_eq!(reported, (s.factor(0) != before).then(|| s.factor(0)));
            s.factor(0)
        })
        .collect()
}

#[test]
fn plateau_waits_for_its_patience() {
    let config = PlateauConfig { factor: 0.5, patience: 2, ..Default::default() };
    // Best 1.0, three observations no better, then again three.
    let seen = [1.0, 1.0, 1.1, 0.99995, 1.0, 1.0, 1.0, 0.5, f64::NAN, 0.6, 0.6];
    let expected = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125];
    assert_eq!(plateau(config, &seen), expected);
}

#[test]
fn plateau_of_an_accuracy_with_absolute_threshold_cooldown_and_floor() {
    let config = PlateauConfig {
        factor: 0.1,
        patience: 0,
        mode: Goal::Max,
        threshold: 0.1,
        threshold_mode: ThresholdMode::Abs,
        cooldown: 2,
        min_factor: 0.05,
    };
    // 0.55 is no improvement on 0.5; the next two fall into the cooldown; then once more, where
    // the floor holds.
    let seen = [0.5, 0.55, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
    assert_eq!(plateau(config, &seen), [1.0, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]);
}

#[test]
fn a_saved_plateau_continues() -> Result<()> {
    let schedule = Schedule::Plateau(PlateauConfig { patience: 1, ..Default::default() });
    let mut whole = state(schedule.clone());
    let mut half = state(schedule.clone());
    assert_eq!(serde_json::from_str::<ScheduleState>(&serde_json::to_string(&half)?)?, half);
    for (i, metric) in [3.0, 4.0, 5.0, 2.0, 2.0, 2.0].into_iter().enumerate() {
        whole.observe(metric);
        half.observe(metric);
        if i == 2 {
            half = serde_json::from_str(&serde_json::to_string(&half)?)?;
            half = ScheduleState::resume(&half, &ScheduleState::new(schedule.clone(), 2000, 20)?);
        }
    }
    assert_eq!(whole.factor(0), half.factor(0));
    assert!(half.factor(0) < 0.011);
    Ok(())
}

#[test]
fn configs_are_strict() {
    let parse = |text: &str| toml::from_str::<Schedule>(text);
    assert_eq!(parse("name = \"constant\"").unwrap(), Schedule::Constant {});
    assert_eq!(
        parse("name = \"cosine_warmup\"\nwarmup_steps = 1000\ntotal_steps = 200000").unwrap(),
        Schedule::CosineWarmup { warmup_steps: 1_000, total_steps: Some(200_000) }
    );
    assert_eq!(
        parse("name = \"plateau\"\nfactor = 0.2\npatience = 20").unwrap(),
        Schedule::Plateau(PlateauConfig { factor: 0.2, patience: 20, ..Default::default() })
    );
    for (text, word) in [
        ("name = \"constant\"\nsteps = 1", "steps"),
        ("name = \"plateau\"\npatiance = 1", "patiance"),
        ("name = \"cosine\"\ntotal = 1\nfinal = 0.1", "final"),
        ("name = \"cosine_warmup\"", "warmup_steps"),
        ("name = \"cosin\"", "cosin"),
    ] {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.contains(word), "{text}: {message}");
    }
    for (schedule, word) in [
        (Schedule::CosineWarmup { warmup_steps: 9, total_steps: Some(9) }, "total_steps"),
        (Schedule::ConstantWarmup { warmup_steps: 0 }, "warmup_steps"),
        (Schedule::Cosine { total: Some(1), per: Period::Step, final_factor: 2.0 }, "final_factor"),
        (Schedule::Plateau(PlateauConfig { factor: 1.0, ..Default::default() }), "factor"),
    ] {
        let message = schedule.validate().unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_schedule_without_an_end_ends_with_the_run() {
    let ends =
        |schedule: Schedule| (0..=1000).find(|&step| state(schedule.clone()).factor(step) < 1e-9);
    assert_eq!(ends(Schedule::CosineWarmup { warmup_steps: 0, total_steps: None }), Some(1000));
    assert_eq!(ends(Schedule::LinearWarmup { warmup_steps: 0, total_steps: None }), Some(1000));
    for per in [Period::Step, Period::Epoch] {
        let schedule = Schedule::Cosine { total: None, per, final_factor: 0.0 };
        assert_eq!(ends(schedule), Some(1000));
    }
    // A run that is longer than its warm-up never, and one that is shorter no worse.
    let short = Schedule::CosineWarmup { warmup_steps: 2000, total_steps: None };
    assert_close(state(short).factor(1000), 0.5);
}

#[test]
fn schedules_that_do_not_fit_the_run_are_told() {
    let cosine = |warmup_steps, total_steps| Schedule::CosineWarmup { warmup_steps, total_steps };
    let epochs = Schedule::Cosine { total: Some(50), per: Period::Epoch, final_factor: 0.1 };
    for (schedule, words) in [
        (cosine(10, Some(600)), "the schedule ends at step 600, the run at step 1000"),
        (cosine(10, Some(1500)), "the run ends at step 1000, the schedule at step 1500"),
        (cosine(1000, None), "warms up for 1000 steps, but the run has 1000"),
        (Schedule::ConstantWarmup { warmup_steps: 2000 }, "warms up for 2000 steps"),
        (epochs, "the schedule ends at step 500"),
    ] {
        let message = schedule.mismatch(1000, 10).expect(words);
        assert!(message.contains(words), "{message}");
    }
    for schedule in [
        cosine(10, None),
        cosine(10, Some(1000)),
        cosine(10, Some(995)),
        cosine(10, Some(1050)),
        Schedule::Constant {},
        Schedule::Plateau(PlateauConfig::default()),
    ] {
        assert_eq!(schedule.mismatch(1000, 10), None, "{schedule:?}");
    }
}
