//! Pathfinder and Path-X: are two marked ends joined by a dashed path?
//!
//! An image shows two long dashed paths among shorter ones, and two discs at ends of long paths.
//! The label is 1 if the discs mark the two ends of one path. Read pixel by pixel, an image of
//! 128 x 128 is a sequence of 16,384 steps, the longest of the Long Range Arena: Path-X.
//!
//! Images come from the published archive ([`Release`]) or are made here ([`Generator`]) by the
//! procedure of Linsley et al. 2018 with the settings of Tay et al. 2021, a thousand times faster
//! than the original. Either is an [`ImageSource`], as is a [`Cached`] file of generated images.
//!
//! ```
//! use datasets::pathfinder::{Difficulty, Generator, Spec};
//!
//! let spec = Spec::official(128, Difficulty::Hard)?; // Path-X
//! let generator = Generator::new(spec, 0)?;
//! let mut pixels = vec![0; 128 * 128];
//! let image = generator.generate(7, &mut pixels)?;
//! assert!(image.label < 2 && image.markers.len() == 2);
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`spec`] | what determines an image, and the published values |
//! | [`raster`], [`resize`] | lines, discs, dilation; Lanczos resampling |
//! | [`patch`], [`paddle`] | the strokes that paths are made of: one, and all of an image |
//! | [`mask`], [`room`] | which pixels are taken; where a path can start |
//! | [`contour`], [`image`] | paths; whole images |
//! | [`release`], [`export`] | reading and writing the published layout |
//! | [`source`], [`cache`] | what training reads |

pub mod cache;
pub mod contour;
pub mod export;
pub mod image;
pub mod mask;
pub mod paddle;
pub mod patch;
pub mod png_image;
pub mod raster;
pub mod release;
pub mod resize;
pub mod room;
pub mod source;
pub mod spec;

pub use cache::Cached;
pub use export::{Summary, write_release};
pub use image::{Description, Generator};
pub use release::Release;
pub use source::{Generated, ImageSource, Pixels};
pub use spec::{Difficulty, Spec};
