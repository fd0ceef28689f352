//! Reading data files, and what a batch of examples looks like.

pub mod batch;
pub mod bit_reversal;
pub mod characters;
pub mod cifar;
pub mod classes;
pub mod grey_png;
pub mod hold_out;
pub mod idx;
pub mod images;
pub mod labelled_files;
pub mod locate;
pub mod recordings;
pub mod rows;
pub mod text_files;
pub mod token_file;
pub mod tokens;
