//! What runs away is heard, and what does not is left in peace.

use std::f64::consts::TAU;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use dsp::runaway::*;

const RATE: u32 = 16_000;

fn signal(seconds: f64, mut x: impl FnMut(f64) -> f64) -> Vec<f32> {
    let rate = f64::from(RATE);
    (0..(seconds * rate) as u32).map(|n| x(f64::from(n) / rate) as f32).collect()
}

fn white(seconds: f64, amplitude: f64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    signal(seconds, |_| amplitude * rng.random_range(-1.0..1.0))
}

fn heard(samples: &[f32]) -> Monitor {
    let mut monitor = Monitor::new(RATE);
    monitor.push(samples);
    monitor
}

/// Syllables of harmonics with pauses and bursts of noise.
fn speech(seconds: f64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    signal(seconds, |t| {
        let envelope = (TAU * 1.7 * t).sin().max(0.0).powi(2);
        let pitch = 120.0 + 20.0 * (TAU * 0.5 * t).sin();
        let voice: f64 =
            (1..20).map(|h| (TAU * pitch * t * f64::from(h)).sin() / f64::from(h)).sum();
        let hiss = rng.random_range(-1.0..1.0) * (TAU * 1.7 * t + 2.0).sin().max(0.0).powi(4);
        0.3 * envelope * voice + 0.4 * hiss
    })
}

/// Struck strings: pure tones that decay.
fn strings(seconds: f64) -> Vec<f32> {
    signal(seconds, |t| {
        let (note, age) = ((t / 1.5).floor(), t % 1.5);
        0.125 + 0.5 * (-2.0 * age).exp() * (TAU * 220.0 * (1.0 + 0.25 * (note % 4.0)) * age).sin()
    })
}

#[test]
fn sane_signals_give_no_warning_at_any_time() {
    for samples in [speech(6.0), strings(6.0), white(6.0, 0.02)] {
        let mut monitor = Monitor::new(RATE);
        for part in samples.chunks(777) {
            monitor.push(part);
            assert_eq!(monitor.warnings(), []);
        }
    }
}

#[test]
fn silence_and_a_constant_are_told_apart() {
    let mut samples = speech(2.0);
    samples.extend(vec![0.0; 3 * RATE as usize]);
    let monitor = heard(&samples);
    assert!(matches!(monitor.warnings()[..], [Warning::Silence { seconds }] if seconds > 2.9));
    assert!((0.58..0.75).contains(&monitor.report().silent_share), "{:?}", monitor.report());
    let monitor = heard(&vec![0.5; RATE as usize]);
    assert!(matches!(monitor.warnings()[..], [Warning::Constant { value: 0.5, .. }]));
    assert_eq!(monitor.report().rms_dbfs, FLOOR_DBFS);
}

#[test]
fn noise_at_full_scale() {
    let mut samples = speech(3.0);
    samples.extend(white(1.0, 0.9));
    let monitor = heard(&samples);
    assert!(matches!(monitor.warnings()[..], [Warning::Noise { seconds, .. }] if seconds < 1.3));
    let report = heard(&white(2.0, 0.9)).report();
    assert!((0.9..=1.0).contains(&report.spectral_flatness), "{report:?}");
    // Uniform in [-a, a] has a mean square of a²/3.
    assert!((report.rms_dbfs - 10.0 * (0.81f64 / 3.0).log10()).abs() < 0.1, "{report:?}");
}

#[test]
fn clipping() {
    let monitor = heard(&signal(2.0, |t| 0.957 * (TAU * 150.0 * t).sin().signum()));
    assert!(matches!(monitor.warnings()[..], [Warning::Clipping { share }] if share > 0.99));
    let monitor = heard(&signal(2.0, |t| (0.9 * speech_like(t)).clamp(-1.0, 1.0)));
    assert_eq!(monitor.warnings(), []);
    let monitor = heard(&signal(2.0, |t| (4.0 * speech_like(t)).clamp(-1.0, 1.0)));
    assert!(matches!(monitor.warnings()[..], [Warning::Clipping { .. }]));
}

fn speech_like(t: f64) -> f64 {
    (TAU * 140.0 * t).sin() * (TAU * 2.0 * t).sin() * 0.7 + 0.2 * (TAU * 1710.0 * t).sin()
}

#[test]
fn an_exploding_sine() {
    let monitor = heard(&signal(1.5, |t| 1e-3 * (4.0 * t).exp() * (TAU * 330.0 * t).sin()));
    let warnings = monitor.warnings();
    assert!(
        matches!(warnings[..], [Warning::Growing { decibels, .. }] if decibels > 40.0),
        "{warnings:?}"
    );
    let monitor = heard(&signal(3.0, |t| 1e-3 * (4.0 * t).exp() * (TAU * 330.0 * t).sin()));
    assert!(matches!(monitor.warnings()[0], Warning::BeyondFullScale { peak } if peak > 100.0));
}

#[test]
fn a_stuck_tone() {
    let mut samples = strings(3.0);
    samples.extend(signal(2.5, |t| 0.2 * (TAU * 1000.0 * t).sin()));
    let warnings = heard(&samples).warnings();
    assert!(
        matches!(warnings[..], [Warning::Tone { hertz, seconds }]
            if (hertz - 1000.0).abs() < 10.0 && (2.2..2.7).contains(&seconds)),
        "{warnings:?}"
    );
}

#[test]
fn numbers_that_are_none_are_counted_and_leave_the_rest_alone() {
    let mut samples = speech(1.0);
    let clean = heard(&samples).report();
    samples.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let monitor = heard(&samples);
    assert_eq!(monitor.warnings(), [Warning::NotFinite { samples: 3 }]);
    assert!((monitor.report().rms_dbfs - clean.rms_dbfs).abs() < 0.01);
}

#[test]
fn nothing_heard_is_nothing_wrong() {
    let monitor = Monitor::new(0);
    assert_eq!(monitor.warnings(), []);
    assert_eq!(monitor.report().rms_dbfs, FLOOR_DBFS);
}

#[test]
fn warnings_are_single_lines() {
    for warning in [
        Warning::Growing { decibels: 31.4, seconds: 1.0 },
        Warning::Tone { hertz: 440.2, seconds: 2.0 },
        Warning::Noise { flatness: 0.93, seconds: 2.0 },
    ] {
        assert_eq!(warning.to_string().lines().count(), 1);
    }
    let text = Warning::Silence { seconds: 3.04 }.to_string();
    assert_eq!(text, "silent (below -60 dBFS) for the last 3.0 s");
}

proptest! {
    #[test]
    fn parts_do_not_matter(cuts in prop::collection::vec(1usize..5000, 1..30)) {
        let samples = speech(1.0);
        let whole = heard(&samples);
        let mut monitor = Monitor::new(RATE);
        let mut rest = samples.as_slice();
        for cut in cuts {
            let (part, after) = rest.split_at(cut.min(rest.len()));
            monitor.push(part);
            rest = after;
        }
        monitor.push(rest);
        prop_assert_eq!(monitor.report(), whole.report());
    }
}
