//! Networks: [`Network`] is an encoder, a backbone that mixes the positions, and a head, built by
//! one constructor from a config and the shape of the data. [`diffusion`] has networks that find noise
//! in sound.
//!
//! ```
//! use models::Network;
//! use s4_config::{Input, NetworkConfig, Output, Shape};
//! use s4_core::layer::Pass;
//! use s4_core::params::ParamStore;
//! use tch::{Device, Kind, Tensor};
//!
//! let config = NetworkConfig { d_model: Some(16), n_layers: Some(2), ..NetworkConfig::default() };
//! let shape = Shape { input: Input::Values { features: 3 }, output: Output::Classes(10) };
//! let mut store = ParamStore::new(Device::Cpu, Kind::Float);
//! let network = Network::new(&mut store.root(), &config, shape)?;
//! let x = Tensor::randn([2, 100, 3], (Kind::Float, Device::Cpu)); // (batch, length, features)
//! assert_eq!(network.forward(&x, &Pass::eval())?.size(), [2, 10]);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod adaptive;
pub mod backbone;
mod c_tilde;
pub mod conv;
pub mod diffusion;
pub mod encoder;
pub mod forecast;
pub mod head;
mod lags;
pub mod learned_state;
mod logistics;
mod network;
mod past;
pub mod positions;
pub mod sashimi;
mod state;

pub use c_tilde::{c_tilde_lengths, without_c_tilde};
pub use network::{Network, NetworkStepper};
pub use state::{level, repeated};
