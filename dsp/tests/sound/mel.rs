//! Mel spectrograms: the official numbers, and what can be said of them without.

use std::path::PathBuf;

use dsp::mel::{Mel, MelConfig, Padding, Scale, Sum};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn folder() -> PathBuf {
    match std::env::var_os("S4_FIXTURES") {
        Some(folder) => folder.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../parity/fixtures").into(),
    }
}

/// All values of a tensor, exactly.
fn values(tensors: &SafeTensors, key: &str) -> Vec<f64> {
    let tensor = tensors.tensor(key).unwrap_or_else(|error| panic!("{key}: {error}"));
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        other => panic!("{key} is {other:?}"),
    }
}

fn relative_error(actual: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut actual.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}

#[test]
fn parity_mel() {
    let bytes = std::fs::read(folder().join("diffwave.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let json = std::fs::read_to_string(folder().join("diffwave.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let cases = json["cases"].as_array().unwrap().iter();
    let cases: Vec<&Value> =
        cases.filter(|case| case["id"].as_str().unwrap().starts_with("mel_")).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let (id, settings) = (case["id"].as_str().unwrap(), &case["settings"]);
        let size = |key: &str| settings[key].as_u64().unwrap() as usize;
        let config = MelConfig {
            n_fft: size("filter_length"),
            hop: size("hop_length"),
            window: Some(size("win_length")),
            bands: size("n_mel_channels"),
            f_min: settings["mel_fmin"].as_f64().unwrap(),
            f_max: settings["mel_fmax"].as_f64(),
            ..MelConfig::default()
        };
        let mel = Mel::new(&config, size("sampling_rate") as u32).unwrap();
        // 16-bit integers, which float32 holds exactly at any scale.
        let audio = values(&tensors, &format!("{id}/in/audio"));
        let audio: Vec<f32> = audio.iter().map(|x| (x / 32_768.0) as f32).collect();
        let actual = mel.spectrogram(&audio).unwrap();
        let error = relative_error(&actual, &values(&tensors, &format!("{id}/out64/mel")));
        assert!(error <= 1e-8, "{id}: off by {error:.2e}");
    }
}

fn tone(hertz: f32, rate: u32, samples: usize) -> Vec<f32> {
    let turn = std::f32::consts::TAU * hertz / rate as f32;
    (0..samples).map(|n| (turn * n as f32).sin()).collect()
}

#[test]
fn a_tone_is_loudest_in_its_own_band() {
    for (sum, scale) in [(Sum::Magnitude, Scale::Log), (Sum::Power, Scale::Decibels)] {
        let config =
            MelConfig { bands: 30, f_max: Some(2000.0), sum, scale, ..MelConfig::default() };
        let mel = Mel::new(&config, 8_000).unwrap();
        let frames = mel.frames(4_000);
        let rows = mel.spectrogram(&tone(500.0, 8_000, 4_000)).unwrap();
        // 2,000 Hz is 25.08 mel, 500 Hz 7.5: band 8.27 of 0 to 29.
        let middle = |row: &usize| rows[row * frames + frames / 2];
        let loudest = (0..30).max_by(|a, b| middle(a).total_cmp(&middle(b))).unwrap();
        assert_eq!(loudest, 8, "{sum:?}");
    }
}

#[test]
fn decibels_end_at_the_loudest_value_and_80_below() {
    let config = MelConfig {
        sum: Sum::Power,
        scale: Scale::Decibels,
        padding: Padding::Zeros,
        ..MelConfig::default()
    };
    let mel = Mel::new(&config, 16_000).unwrap();
    let rows = mel.spectrogram(&tone(1000.0, 16_000, 5_000)).unwrap();
    assert_eq!(rows.len(), 80 * 20);
    assert_eq!(rows.iter().copied().fold(f64::MIN, f64::max), 0.0);
    assert_eq!(rows.iter().copied().fold(f64::MAX, f64::min), -80.0);
    assert!(mel.spectrogram(&[]).unwrap().iter().all(|&x| x == 0.0));
}

#[test]
fn what_cannot_be_is_refused() {
    let plain = MelConfig::default;
    for (config, word) in [
        (MelConfig { n_fft: 7, ..plain() }, "n_fft"),
        (MelConfig { hop: 0, ..plain() }, "hop"),
        (MelConfig { bands: 0, ..plain() }, "bands"),
        (MelConfig { window: Some(2000), ..plain() }, "window"),
        (MelConfig { f_max: Some(9000.0), ..plain() }, "8000 Hz"),
    ] {
        let error = Mel::new(&config, 16_000).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mel = Mel::new(&plain(), 16_000).unwrap();
    assert!(mel.spectrogram(&[0.0; 512]).unwrap_err().to_string().contains("513"));
    assert_eq!(mel.spectrogram(&[0.0; 513]).unwrap().len(), 80 * 3);
}
