//! What models of the next token have to beat: n-grams of texts, and mixed contexts of pictures.

pub(crate) mod context_mixer;
pub(crate) mod kneser_ney;
