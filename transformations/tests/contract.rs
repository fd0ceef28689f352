//! What holds of every transformation of sequences.

use std::f32::consts::TAU;

use proptest::prelude::*;
use transformations::content::{Content, Expression, Kind, Series, Sound};
use transformations::{ALL, Effect, Severity, Transformation, Unchanged, find, seed};

const KINDS: [Kind; 4] = [Kind::Sound, Kind::Text, Kind::Expression, Kind::Series];

fn of_kinds() -> impl Iterator<Item = (&'static dyn Transformation, Kind)> {
    KINDS.into_iter().flat_map(|kind| transformations::of_kind(kind).map(move |it| (it, kind)))
}

fn wave(seconds: f32, frequency: f32) -> Content {
    let count = (8_000.0 * seconds) as usize;
    let samples = (0..count).map(|i| {
        let time = i as f32 / 8_000.0;
        0.3 * (TAU * frequency * time).sin() + 0.2 * (TAU * 3.1 * frequency * time).sin()
    });
    Sound { rate: 8_000, samples: samples.collect() }.into()
}

fn sample(kind: Kind) -> Content {
    match kind {
        Kind::Sound => wave(1.5, 300.0),
        Kind::Text => {
            "I am sure: it was good, and they are not 10 bad days.<br />Isn't it? ".repeat(5).into()
        }
        Kind::Expression => {
            let tokens = "[MAX 4 3 [MIN 2 3 ] 1 [MED 7 8 9 ] [SM 1 2 3 ] ]";
            let tokens = datasets::listops::grammar::parse(tokens).unwrap();
            Expression::of(&tokens).unwrap().into()
        }
        Kind::Series => {
            let values = (0..400).map(|i| (i as f32 * 0.1).sin() + 0.01 * i as f32).collect();
            Series { values, features: 2 }.into()
        }
        Kind::Picture | Kind::Path => unreachable!(),
    }
}

fn changed(it: &dyn Transformation, kind: Kind, severity: Severity, example: usize) -> Content {
    let random = &mut seed::random(0, it.name(), severity, example);
    let others = [wave(0.4, 210.0), wave(2.0, 170.0)];
    let result = it.apply(&sample(kind), &3.into(), severity, random, &others);
    match result {
        Ok(changed) => {
            assert!(it.effect() == Effect::Recomputed || changed.label == 3.into());
            changed.content
        }
        Err(error) if error.is::<Unchanged>() => sample(kind),
        Err(error) => panic!("{}: {error:#}", it.name()),
    }
}

#[test]
fn results_are_the_same_on_every_thread() {
    let all = || -> Vec<Content> {
        let each = of_kinds()
            .flat_map(|(it, kind)| Severity::ALL.map(|severity| changed(it, kind, severity, 7)));
        each.collect()
    };
    let here = all();
    std::thread::scope(|scope| {
        let there: Vec<_> = (0..2).map(|_| scope.spawn(all)).collect();
        there.into_iter().for_each(|there| assert!(there.join().unwrap() == here));
    });
}

#[test]
fn everything_changes_something_and_says_how_much() {
    for (it, kind) in of_kinds() {
        let strongest = it.severities()[it.severities().len() - 1];
        assert_ne!(changed(it, kind, strongest, 0), sample(kind), "{}", it.name());
        let strengths: Vec<_> = it.severities().iter().map(|&s| it.strength(s)).collect();
        let same = strengths.iter().filter(|strength| **strength == strengths[0]).count();
        assert!(same == 1, "{}: {strengths:?}", it.name());
        assert!(!it.about().ends_with('.') && it.about().len() < 80, "{}", it.name());
    }
}

#[test]
fn others_of_another_kind_are_refused() {
    for (it, _) in of_kinds() {
        let (sound, text) = (sample(Kind::Sound), sample(Kind::Text));
        let other = if it.kinds().contains(&Kind::Sound) { text } else { sound };
        if it.kinds().len() == 1 {
            let random = &mut seed::generator("other", &[]);
            let result = it.apply(&other, &3.into(), Severity::ALL[0], random, &[]);
            let message = result.unwrap_err().to_string();
            assert!(message.contains(it.name()), "{message}");
        }
    }
}

/// Mean square of what is added, over some examples.
fn distance(name: &str, kind: Kind, severity: Severity) -> f64 {
    let values = |content: &Content| match content {
        Content::Sound(sound) => sound.samples.clone(),
        Content::Series(series) => series.values.clone(),
        _ => unreachable!(),
    };
    let before = values(&sample(kind));
    let distances = (0..8).map(|example| {
        let after = values(&changed(find(name).unwrap(), kind, severity, example));
        assert_eq!(before.len(), after.len(), "{name}");
        let squares = before.iter().zip(&after).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>()
    });
    distances.sum()
}

#[test]
fn a_higher_severity_is_further_away() {
    let sound = "white-noise pink-noise babble quieter louder clipping dc-offset high-pass telephone \
                 mu-law dropped-spans";
    let series = "missing-values spikes drift sensor-noise rescaled quantised";
    for (kind, names) in [(Kind::Sound, sound), (Kind::Series, series)] {
        for name in names.split_whitespace() {
            let distances = Severity::ALL.map(|severity| distance(name, kind, severity));
            assert!(distances.is_sorted(), "{name}: {distances:?}");
        }
    }
}

/// Content as small and as odd as it can be.
fn contents() -> impl Strategy<Value = Content> {
    let level = prop_oneof![Just(0.0f32), Just(1.0f32), -1.0f32..1.0];
    let samples = prop_oneof![
        prop::collection::vec(level.clone(), 0..3),
        prop::collection::vec(level.clone(), 0..300),
        (0..2000usize).prop_map(|count| vec![0.0; count]),
    ];
    let rates = prop::sample::select(vec![1u32, 1_000, 8_000, 16_000, 22_050]);
    prop_oneof![
        (rates, samples).prop_map(|(rate, samples)| Sound { rate, samples }.into()),
        prop_oneof!["", "\\PC{1}", "\\PC{0,40}", "[ .<>/a-c0-9']{0,20}"].prop_map(Content::Text),
        (1..4usize, prop::collection::vec(level, 0..40)).prop_map(|(features, mut values)| {
            values.truncate(values.len() / features * features);
            Series { values, features }.into()
        }),
        prop::sample::select(vec!["7", "[MAX 1 ]", "[MED 1 1 ]", "[SM [SM [SM 1 ] ] ]"]).prop_map(
            |text| {
                let tokens = datasets::listops::grammar::parse(text).unwrap();
                Expression::of(&tokens).unwrap().into()
            }
        ),
    ]
}

fn is_of(content: &Content, kind: Kind) -> bool {
    match content {
        Content::Sound(_) => kind == Kind::Sound,
        Content::Text(_) => kind == Kind::Text,
        Content::Expression(_) => kind == Kind::Expression,
        Content::Series(_) => kind == Kind::Series,
        Content::Picture(_) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_content_makes_any_of_them_panic(content in contents(), severity in 1u8..=5, seed: u64) {
        let severity = Severity::new(severity).unwrap();
        let applicable = |it: &&&dyn Transformation| it.kinds().iter().any(|&kind| is_of(&content, kind));
        for it in ALL.iter().filter(applicable) {
            let random = &mut seed::random(seed, it.name(), severity, 0);
            match it.apply(&content, &1.into(), severity, random, &[]) {
                Err(error) => prop_assert!(!error.to_string().is_empty()),
                Ok(changed) => match changed.content {
                    Content::Sound(sound) => {
                        prop_assert!(sound.samples.iter().all(|x| x.abs() <= 1.0), "{}", it.name());
                    }
                    Content::Series(series) => {
                        prop_assert!(series.values.iter().all(|x| x.is_finite()), "{}", it.name());
                    }
                    Content::Expression(expression) => prop_assert!(expression.value().is_ok()),
                    Content::Text(_) | Content::Picture(_) => {}
                },
            }
        }
    }
}
