//! Pathfinder and Path-X: are two marked ends joined by a dashed path?
//!
//! An image shows two long dashed paths among shorter ones, and two discs at ends of long paths.
//! The label is 1 if the discs mark the two ends of one path. Read pixel by pixel, an image of
//! 128 x 128 is a sequence of 16,384 steps, the longest of the Long Range Arena: Path-X.
//!
//! Images are made by the procedure of Linsley et al. 2018 with the settings of Tay et al. 2021, a
//! thousand times faster than the original.
//!
//! ```
//! use pathfinder::{Difficulty, Generator, Spec};
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
//! | [`trace`] | what is in an image, read back |

pub mod contour;
pub mod image;
pub mod mask;
pub mod paddle;
pub mod patch;
pub mod raster;
pub mod resize;
pub mod room;
pub mod spec;
pub mod trace;

pub use image::{Description, Generator};
pub use spec::{Difficulty, Spec};
