//! What models have to beat: n-grams of texts, mixed contexts of pictures, and what forecasts come to without a
//! model.

pub(crate) mod context_mixer;
pub(crate) mod kneser_ney;
pub(crate) mod naive;
