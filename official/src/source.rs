//! A file of the official code, or of a run that was exported: weights, and what it says of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use program::output::note;
use s4_core::state_dict::StateDict;
use serde_json::Value as Json;
use tch::Kind;
use torch_file::{Node, TensorView, TorchFile};
use training::checkpoint::load_weights;

use crate::names;
use crate::tensors::{check_finite, tensor};

/// Where files keep their weights, if not at the top.
const PLACES: [&str; 2] = ["state_dict", "model_state_dict"];

/// What a file holds.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its weights under our names.
    pub weights: StateDict,
    /// Whether its step sizes are surely stored as their logarithm, whatever its settings say.
    pub is_version_3: bool,
    /// The settings of its run, where they are in it: those of Lightning.
    pub hyper_parameters: Option<Json>,
    /// Steps of its training, where that is in it.
    pub step: u64,
}

/// Whose checkpoints a program can make runs of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A network of encoder, backbone and decoder, of `state-spaces/s4`.
    Network,
    /// A noise network, of `albertfgu/diffwave-sashimi`.
    Diffusion,
}

impl Source {
    /// Reads `path`. Says what it passed over and converted.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, holds no weights, or weights that are no numbers.
    pub fn open(path: &Path) -> Result<Self> {
        let is_safetensors = path.extension().is_some_and(|suffix| suffix == "safetensors");
        let named = || path.display().to_string();
        let (weights, hyper_parameters, step) = if is_safetensors {
            (load_weights(path)?, None, 0)
        } else {
            let mut file = TorchFile::open(path)?;
            let weights = read(&mut file, path).with_context(named)?;
            let object = file.object();
            let hyper = object.get("hyper_parameters");
            let config = hyper.and_then(Node::config).filter(Json::is_object);
            ensure!(
                hyper.is_none() || config.is_some(),
                "{}: its hyper_parameters are no configuration",
                named()
            );
            let step = object.get("global_step").and_then(Node::int).unwrap_or(0);
            tell_passed_over(&file);
            (weights, config, u64::try_from(step).unwrap_or(0))
        };
        check_finite(&weights).with_context(named)?;
        let is_version_3 = names::is_version_3(&weights);
        let weights = names::from_official(&weights);
        let others = weights
            .iter()
            .filter(|(_, tensor)| tensor.is_floating_point() && tensor.kind() != Kind::Float);
        let others: Vec<_> = others.map(|(name, _)| name).collect();
        if !others.is_empty() {
            note(format_args!("converted to float32: {}", others.join(", ")));
        }
        Ok(Self {
            path: path.to_owned(),
            weights: weights.to_kind(Kind::Float),
            is_version_3,
            hyper_parameters,
            step,
        })
    }

    /// What it is a checkpoint of.
    pub fn family(&self) -> Family {
        let has = |name| self.weights.get(name).is_some();
        match has("final_conv.2.conv.weight") && !has("encoder.weight") {
            true => Family::Diffusion,
            false => Family::Network,
        }
    }
}

/// The weights of a file, under its names.
fn read(file: &mut TorchFile, path: &Path) -> Result<StateDict> {
    let views = views(file.object())?;
    // Views of one storage, over and over, are no weights.
    let size = std::fs::metadata(path)?.len() as u128;
    let bytes = |view: &TensorView| {
        view.shape().iter().map(|&size| size as u128).product::<u128>()
            * view.dtype().size() as u128
    };
    let total: u128 = views.iter().map(|(_, view)| bytes(view)).sum();
    ensure!(
        total <= 4 * size + (64 << 20),
        "its weights would be {total} bytes, and the file has {size}: it repeats them"
    );
    let read = |(name, view): &(String, TensorView)| {
        let raw = file.read(view).with_context(|| name.clone())?;
        Ok((name.clone(), tensor(&raw).with_context(|| name.clone())?))
    };
    views.iter().map(read).collect()
}

fn views(object: Node) -> Result<Vec<(String, TensorView)>> {
    let place = PLACES.iter().find_map(|place| object.get(place));
    let is_bare = || object.items().any(|(_, value)| value.tensor().is_some());
    let dict = match place {
        Some(dict) => dict,
        None if is_bare() => object,
        None => bail!(
            "it holds no weights: neither `state_dict`, as checkpoints of Lightning do, nor \
             `model_state_dict`, as those of DiffWave do, nor tensors by name"
        ),
    };
    let (mut views, mut wrong) = (Vec::new(), Vec::new());
    for (key, value) in dict.items() {
        let name = key.text().unwrap_or("a key that is no text").to_owned();
        match value.tensor() {
            Some(view) => views.push((name, view.clone())),
            None => wrong.push(name),
        }
    }
    ensure!(wrong.is_empty(), "among its weights is what is no tensor: {}", wrong.join(", "));
    ensure!(!views.is_empty(), "it holds no weights: its state dict is empty");
    Ok(views)
}

fn tell_passed_over(file: &TorchFile) {
    const SHOWN: usize = 8;
    let calls = file.passed_over();
    if !calls.is_empty() {
        let shown: Vec<_> =
            calls.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
        let more = if calls.len() > SHOWN { ", ..." } else { "" };
        note(format_args!(
            "passed over, not run: what the file would have Python call: {}{more}",
            shown.join(", ")
        ));
    }
}
