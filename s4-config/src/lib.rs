//! What a model is, as settings with defaults and checks: no libtorch, no files.
//!
//! ```
//! use s4_config::{Backbone, Mode, NetworkConfig};
//!
//! let config: NetworkConfig = toml::from_str("d_model = 128\nlayer.ssm.mode = \"s4d\"")?;
//! let config = config.complete(Backbone::S4); // what is absent is spelt out
//! config.validate()?;
//! assert_eq!((config.n_layers, config.layer.ssm.mode), (Some(6), Mode::S4d));
//! # Ok::<(), anyhow::Error>(())
//! ```
//! [`NetworkConfig`] is the section `[model]` of an experiment. The crates that train models and the
//! one that steps them without libtorch read the same structs. Names are those of the official code.

mod adaptive;
mod baselines;
mod block;
mod companding;
mod diffusion;
mod forecast;
mod init;
mod logistics;
mod measure;
mod network;
mod samplernn;
mod sashimi;
mod shape;
mod ssm;
mod stack;
mod wavenet;

pub use adaptive::AdaptiveConfig;
pub use baselines::{
    AttentionConfig, DilatedConfig, RecurrentConfig, ResnextConfig, RnnType, StackedRnnConfig,
};
pub use block::{Activation, Convolution, FinalAct, KernelMethod, S4BlockConfig};
pub use companding::Companding;
pub use diffusion::{
    DiffusionConfig, MelConditionConfig, NoiseBackbone, NoiseNetworkConfig, NoiseSashimiConfig,
    NoiseWaveNetConfig,
};
pub use forecast::{Decoder, ForecastConfig, Normalise};
pub use init::{BInit, Family, Init, InitArgs, Part};
pub use logistics::LogisticsConfig;
pub use measure::Measure;
pub use network::{ALIASES, Backbone, EncoderInit, NetworkConfig, Pooling};
pub use samplernn::SampleRnnConfig;
pub use sashimi::{SashimiConfig, Variant};
pub use shape::{Input, Output, Series, Shape};
pub use ssm::{Discretisation, Mode, SsmConfig, SsmRate, SsmRates, Transform};
pub use stack::{NormKind, StackConfig};
pub use wavenet::WaveNetConfig;

/// No width, depth or number of states is larger: beyond it a config is damaged.
const LIMIT: i64 = 1 << 20;

/// Checks sizes, each with its name.
fn check_sizes(sizes: &[(&str, i64)]) -> anyhow::Result<()> {
    for (name, size) in sizes {
        anyhow::ensure!((1..=LIMIT).contains(size), "{name} must be 1 to {LIMIT}, got {size}");
    }
    Ok(())
}
