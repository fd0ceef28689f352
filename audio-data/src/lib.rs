//! Audio files as sequences of codes, without libtorch: reading, quantisation, data sets of recordings
//! and their splits, windows.
//!
//! ```
//! use audio_data::quantise::{Companding, Quantiser};
//! use audio_data::read::Reader;
//! use audio_data::wav_out::wav_bytes;
//!
//! let mut reader = Reader::from_bytes(wav_bytes(&[0.0, 0.5, -0.5], 16_000)?)?; // or Reader::open
//! let quantiser = Quantiser::new(Companding::MuLaw, 8)?;
//! let mut codes = Vec::new();
//! while let Some(samples) = reader.next_block()? {
//!     codes.extend(samples.iter().map(|&sample| quantiser.encode(sample)));
//! }
//! assert_eq!(codes, [128, 240, 15]);
//! assert!((quantiser.decode(240) - 0.5).abs() < 0.02);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod cli;
pub mod corpus;
pub mod inspect;
pub mod layout;
pub mod part;
pub mod quantise;
pub mod read;
pub mod split;
pub mod wav_out;
pub mod windows;
