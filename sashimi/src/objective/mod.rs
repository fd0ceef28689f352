//! What models of audio learn, as the trainer wants it: to predict the next code, or to find the noise
//! in a noisy sound.

pub mod diffusion;
pub mod next_code;

pub use diffusion::Diffusion;
pub use next_code::NextCode;
