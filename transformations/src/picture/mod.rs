//! Changes of pictures, after CIFAR-10-C and MNIST-C; their official generators take no seed, so that the
//! official pictures cannot be had again.

pub(crate) mod brightness;
pub(crate) mod canny_edges;
mod components;
pub(crate) mod contrast;
pub(crate) mod corruption;
pub(crate) mod defocus_blur;
pub(crate) mod dotted_line;
pub(crate) mod elastic;
pub(crate) mod fog;
pub(crate) mod gaussian_blur;
pub(crate) mod gaussian_noise;
pub(crate) mod glass_blur;
pub(crate) mod impulse_noise;
pub(crate) mod inverted;
pub(crate) mod jpeg;
mod kernel;
mod line;
pub(crate) mod motion_blur;
pub(crate) mod pixelate;
pub(crate) mod rotate;
pub(crate) mod saturate;
pub(crate) mod scale;
pub(crate) mod shear;
pub(crate) mod shot_noise;
pub(crate) mod spatter;
pub(crate) mod speckle_noise;
pub(crate) mod stripe;
pub(crate) mod translate;
mod warp;
pub(crate) mod zigzag;
pub(crate) mod zoom_blur;
