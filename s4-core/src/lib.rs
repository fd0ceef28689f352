//! Structured state space models on libtorch: the mathematics and the layers.
//!
//! Read in this order: [`hippo`] (where A and B come from), [`ssm`] (what is trained, and its
//! discretisation), [`kernel`] (the convolution kernel, three ways), [`conv`] and [`recurrence`]
//! (applying it), [`layer`] (what a network is made of). No files, no command line, no training
//! loop here.
//!
//! ```
//! use s4_core::layer::dropout::Dropout;
//! use s4_config::S4BlockConfig;
//! use s4_core::layer::s4_block::S4Block;
//! use s4_core::layer::{Pass, SequenceLayer};
//! use s4_core::params::ParamStore;
//! use tch::{Device, Kind, Tensor};
//!
//! let mut store = ParamStore::new(Device::Cpu, Kind::Float);
//! let none = Dropout { p: 0.0, tied: true };
//! let block = S4Block::new(&mut store.root(), 16, &S4BlockConfig::default(), none)?;
//! let u = Tensor::randn([2, 16, 1000], (Kind::Float, Device::Cpu)); // (batch, channels, length)
//! let y = block.forward(&u, &Pass::eval())?; // as a convolution
//!
//! // The same in two pieces, the second continuing from the first one's state.
//! let state = block.default_state(2)?;
//! let (first, state) = block.forward_with_state(&u.narrow(2, 0, 600), &state, &Pass::eval())?;
//! let (second, _) = block.forward_with_state(&u.narrow(2, 600, 400), &state, &Pass::eval())?;
//! let pieces = Tensor::cat(&[first, second], 2);
//! assert!((y - pieces).abs().max().double_value(&[]) < 1e-4);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod autograd;
pub mod conv;
pub mod device_memory;
pub mod dispatched;
pub mod foreach;
pub mod generator;
pub mod gpu;
pub mod graph;
pub mod heap;
pub mod hippo;
pub mod kernel;
pub mod layer;
mod native;
pub mod params;
pub mod recompute;
pub mod recurrence;
pub mod shard;
pub mod ssm;
pub mod state_dict;
pub mod tf32;

pub use native::message;
