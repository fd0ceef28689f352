//! Quantisation compared with the official code.

use std::path::PathBuf;

use audio_data::quantise::{Companding, Quantiser, stretch};
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
        Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        other => panic!("{key} is {other:?}"),
    }
}

/// Calls `check` with the tensors and the JSON of each case, for both official laws.
fn for_each_case(check: impl Fn(&SafeTensors, &Value, &str, Quantiser)) {
    let bytes = std::fs::read(folder().join("audio.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let json = std::fs::read_to_string(folder().join("audio.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let cases = json["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let bits = case["settings"]["bits"].as_u64().unwrap() as u32;
        for (law, companding) in [("mu_law", Companding::MuLaw), ("linear", Companding::Linear)] {
            check(&tensors, case, law, Quantiser::new(companding, bits).unwrap());
        }
    }
}

#[test]
fn parity_codes() {
    for_each_case(|tensors, case, law, quantiser| {
        let id = case["id"].as_str().unwrap();
        let audio = values(tensors, &format!("{id}/in/audio"));
        let expected = values(tensors, &format!("{id}/out64/{law}_codes"));
        let expected_f32 = values(tensors, &format!("{id}/out/{law}_codes"));
        let near_edge = values(tensors, &format!("{id}/mid/{law}_near_edge"));
        let clips = case["tensors"]["in/audio"]["shape"][0].as_u64().unwrap() as usize;
        let length = audio.len() / clips;
        let mut differ_f32 = 0;
        for (c, clip) in audio.chunks_exact(length).enumerate() {
            let min = clip.iter().copied().fold(f64::INFINITY, f64::min) as f32;
            let max = clip.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32;
            for (i, &x) in clip.iter().enumerate() {
                let at = c * length + i;
                let code = f64::from(quantiser.encode(stretch(x as f32, min, max)));
                let tolerance = if near_edge[at] != 0.0 { 1.0 } else { 0.0 };
                assert!(
                    (code - expected[at]).abs() <= tolerance,
                    "{id} {law}: sample {i} of clip {c} is {code}, officially {}",
                    expected[at]
                );
                differ_f32 += usize::from((code - expected_f32[at]).abs() > tolerance);
            }
        }
        let official = case["facts"][format!("{law}_codes_differ_f32_f64")].as_u64().unwrap();
        assert!(
            differ_f32 as u64 <= official,
            "{id} {law}: {differ_f32} codes differ from the float32 run, officially {official}"
        );
    });
}

#[test]
fn parity_decoded_values() {
    for_each_case(|tensors, case, law, quantiser| {
        let id = case["id"].as_str().unwrap();
        let expected = values(tensors, &format!("{id}/out64/decode_table_{law}"));
        assert_eq!(expected.len(), quantiser.levels(), "{id} {law}");
        for (code, &expected) in expected.iter().enumerate() {
            let actual = quantiser.decode(code as u16);
            // The nearest float32, or the one beside it.
            assert!(
                (f64::from(actual) - expected).abs() <= 1.2e-7 * expected.abs(),
                "{id} {law}: code {code} is {actual}, officially {expected}"
            );
        }
    });
}

#[test]
fn parity_start_token() {
    for_each_case(|_, case, law, quantiser| {
        let expected = case["facts"]["q_zero"].as_u64().unwrap();
        assert_eq!(u64::from(quantiser.zero()), expected, "{} {law}", case["id"]);
    });
}
