//! What models have to beat: n-grams of texts, mixed contexts of pictures, what forecasts come to without a
//! model, and what N numbers keep of a signal.

pub(crate) mod context_mixer;
pub(crate) mod kneser_ney;
mod legs;
pub(crate) mod naive;
pub(crate) mod ridge;
