//! Cuts the part of the reference numbers that is kept with the project out of the full set:
//!
//! ```text
//! cargo run -p parity --example cut -- FULL_FOLDER parity/fixtures [MAX_LENGTH]
//! ```
//!
//! Of the kinds in [`KINDS`] every case stays, but for what [`is_kept`] leaves out, with all its
//! tensors but those named after a length (`K_L1024_rate0p5`, `Ctilde_L1024`, …) above MAX_LENGTH.
//! The JSON is cut to match. The same input gives the same bytes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// What is kept: everything about one layer, its training steps, small whole models, quantisation,
/// diffusion, scores.
const KINDS: [&str; 14] = [
    "hippo",
    "init",
    "kernel_dplr",
    "kernel_diag",
    "recurrent",
    "block",
    "train_step",
    "model",
    "sashimi",
    "audio",
    "audio_metrics",
    "wavenet",
    "samplernn",
    "diffwave",
];

/// Whether a case is small enough to stay: of SaShiMi one of each variant, with gradients; of WaveNet
/// one with all biases; of SampleRNN one of each way to make frames, the stacks and the shortest
/// loader; of DiffWave on SaShiMi one U-Net and one that is conditioned.
fn is_kept(kind: &str, case: &str) -> bool {
    match kind {
        "sashimi" => ["base_glu", "sashimi_src"].contains(&case),
        "wavenet" => case == "k3_bias",
        "samplernn" => !["tier2_mulaw", "tier3_linear", "tier4_mulaw"].contains(&case),
        "diffwave" => !["snet_uncond", "unet_mel"].contains(&case),
        _ => true,
    }
}

/// Leaves kernels of an odd, an even and a tiny length: 125, 128 and 16.
const DEFAULT_MAX_LENGTH: u64 = 128;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (args.next(), args.next()) else {
        bail!("usage: cut FULL_FOLDER OUTPUT_FOLDER [MAX_LENGTH]");
    };
    let max_length = match args.next() {
        None => DEFAULT_MAX_LENGTH,
        Some(text) => text.to_string_lossy().parse().context("MAX_LENGTH must be a number")?,
    };
    fs::create_dir_all(&to)?;
    for kind in KINDS {
        cut(kind, &from, &to, max_length).with_context(|| format!("kind {kind}"))?;
    }
    Ok(())
}

fn cut(kind: &str, from: &Path, to: &Path, max_length: u64) -> Result<()> {
    let file = format!("{kind}.safetensors");
    let bytes = fs::read(from.join(&file)).with_context(|| format!("no {file}"))?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    // Sorted, because the order in memory is not defined.
    let mut kept: Vec<_> =
        tensors.iter().filter(|(name, _)| !is_longer(name, max_length)).collect();
    kept.retain(|(name, _)| is_kept(kind, name.split('/').next().unwrap_or_default()));
    kept.sort_by(|a, b| a.0.cmp(b.0));
    let no_metadata: Option<HashMap<String, String>> = None;
    safetensors::serialize_to_file(kept, &no_metadata, &to.join(&file))?;

    let file = format!("{kind}.json");
    let text = fs::read_to_string(from.join(&file)).with_context(|| format!("no {file}"))?;
    let mut index: Value = serde_json::from_str(&text)?;
    let object = index.as_object_mut().context("not a JSON object")?;
    // The checksum is that of the full file.
    if let Some(checksum) = object.remove("sha256") {
        object.insert("full_sha256".to_owned(), checksum);
    }
    object.insert("cut".to_owned(), json!({ "max_length": max_length }));
    let cases = object["cases"].as_array_mut().context("no cases")?;
    cases.retain(|case| case["id"].as_str().is_some_and(|id| is_kept(kind, id)));
    for case in cases {
        cut_case(case, max_length, kind.starts_with("kernel_"));
    }
    // Whether maps keep their order depends on what else is built.
    index.sort_all_objects();
    fs::write(to.join(&file), serde_json::to_string(&index)? + "\n")?;
    Ok(())
}

/// Removes from a case's JSON what speaks of kernel lengths above `max_length`. Outside the kernel
/// kinds, the setting `lengths` is about the samples of a batch.
fn cut_case(case: &mut Value, max_length: u64, is_kernel: bool) {
    for table in ["tensors", "f32_vs_f64"] {
        if let Some(table) = case.get_mut(table).and_then(Value::as_object_mut) {
            table.retain(|name, _| !is_longer(name, max_length));
        }
    }
    let errors = case.pointer_mut("/facts/independent_err").and_then(Value::as_object_mut);
    if let Some(errors) = errors {
        errors.retain(|length, _| length.parse::<u64>().is_ok_and(|l| l <= max_length));
    }
    let lengths = case.pointer_mut("/settings/lengths").and_then(Value::as_array_mut);
    if let Some(lengths) = lengths.filter(|_| is_kernel) {
        lengths.retain(|length| length.as_u64().is_none_or(|l| l <= max_length));
    }
}

/// Whether a tensor is named after a length above `max_length`: `…_L1024`, `…_L1024_rate0p5`.
fn is_longer(name: &str, max_length: u64) -> bool {
    name.split('_')
        .filter_map(|word| word.strip_prefix('L')?.parse::<u64>().ok())
        .any(|length| length > max_length)
}
