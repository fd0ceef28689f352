//! Examples from what files hold.

pub mod arrays;
pub(crate) mod augmented;
pub mod images;
pub mod pictures;
pub mod recordings;
pub mod texts;
pub mod tokens;
