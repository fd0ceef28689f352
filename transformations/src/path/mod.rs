//! Changes of pictures of paths.

pub(crate) mod cut_path;
pub(crate) mod orientation;
pub(crate) mod tracer;
