//! Changes of any content.

pub(crate) mod padding;
pub(crate) mod shift;
