//! Looking into networks: what their parts choose, and what they have learned.
//!
//! A container passes [`SequenceLayer::visit`] on to what it holds; what there is to see is collected
//! here.

use anyhow::Result;
use tch::Tensor;

use super::{Pass, SequenceLayer};

/// A part of a network that has something to show.
pub trait Inspect {
    /// What it chooses for sequences of `len` inputs: how they are convolved.
    fn explain(&self, len: i64, pass: &Pass) -> String;

    /// Distributions to watch while it trains: (name, values), step sizes Δ and Re A as float64
    /// tensors of any shape.
    fn spectra(&self) -> Vec<(&'static str, Tensor)>;

    /// The largest |eigenvalue| of Ā of each channel at rate 1, (H) float64. Above 1 its state grows
    /// without bound.
    ///
    /// # Errors
    /// If the eigenvalues cannot be computed.
    fn spectral_radius(&self) -> Result<Tensor>;

    /// Its convolution kernel, (channels, values): the first few of each; none if it cannot be
    /// computed, which is the next forward pass's error to report.
    fn kernel(&self) -> Option<Tensor>;
}

/// Where a part is in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name, such as `up0.3`; empty for the network itself.
    pub name: String,
    /// Positions of the network's input that are one position there.
    pub stride: i64,
}

impl Place {
    /// The network itself.
    pub fn root() -> Self {
        Self { name: String::new(), stride: 1 }
    }

    /// The place `name` below this one, at the same resolution.
    #[must_use]
    pub fn sub(&self, name: impl std::fmt::Display) -> Self {
        let dot = if self.name.is_empty() { "" } else { "." };
        Self { name: format!("{}{dot}{name}", self.name), stride: self.stride }
    }
}

/// All parts of `layer` with their places, from the first to the last.
pub fn parts(layer: &dyn SequenceLayer) -> Vec<(Place, &dyn Inspect)> {
    let mut parts: Vec<(Place, &dyn Inspect)> = Vec::new();
    layer.visit(Place::root(), &mut |place, part| parts.push((place, part)));
    parts
}

/// How sequences of `len` inputs are convolved: (place, choice).
pub fn explain(layer: &dyn SequenceLayer, len: i64, pass: &Pass) -> Vec<(String, String)> {
    let choice = |(place, part): (Place, &dyn Inspect)| {
        (place.name, part.explain((len / place.stride).max(1), pass))
    };
    parts(layer).into_iter().map(choice).collect()
}

/// Distributions to watch while the layer trains: `dt/PLACE` and `re_A/PLACE`.
pub fn spectra(layer: &dyn SequenceLayer) -> Vec<(String, Tensor)> {
    let named = parts(layer).into_iter().flat_map(|(place, part)| {
        let spectra = part.spectra().into_iter();
        spectra.map(move |(name, values)| (format!("{name}/{}", place.name), values))
    });
    named.collect()
}

/// Convolution kernels to look at: `kernel/PLACE`.
pub fn kernels(layer: &dyn SequenceLayer) -> Vec<(String, Tensor)> {
    let kernels = parts(layer).into_iter();
    kernels.filter_map(|(at, part)| Some((format!("kernel/{}", at.name), part.kernel()?))).collect()
}
