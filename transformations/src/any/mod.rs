//! Changes of any content.

pub(crate) mod padding;
pub(crate) mod scan_order;
pub(crate) mod shift;
pub(crate) mod trigger;
