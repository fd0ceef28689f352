//! Files of `torch.save`: checkpoints of PyTorch Lightning, state dicts, anything that is pickled.
//!
//! A pickle is a program. Here it is read and never run: dictionaries, lists, numbers, texts and
//! tensors are built, calls of anything else become [`Value::Opaque`], and what a file claims of its
//! sizes is believed only as far as its bytes go. Damaged and hostile files are errors, at a cost in
//! proportion to their size.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let mut file = torch_file::TorchFile::open("last.ckpt".as_ref())?;
//! let weights = file.object().get("state_dict").expect("a Lightning checkpoint");
//! let tensors: Vec<_> = weights.items().filter_map(|(_, value)| value.tensor().cloned()).collect();
//! let first = file.read(&tensors[0])?;
//! # Ok(())
//! # }
//! ```

mod container;
mod dtype;
mod node;
mod pickle;
mod tensor;
mod write;

pub use container::TorchFile;
pub use dtype::Dtype;
pub use node::Node;
pub use pickle::Value;
pub use tensor::{RawTensor, TensorView};
pub use write::write;
