//! Examples from what files hold.

pub mod arrays;
pub mod images;
pub mod pictures;
pub mod recordings;
pub mod subpixels;
pub mod texts;
pub mod tokens;
pub(crate) mod variants;
pub mod view;
