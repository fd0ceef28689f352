//! Reading files in the forms that data sets are published in.

pub mod array;
pub mod cifar;
pub mod idx;
pub mod labelled_files;
pub mod number;
pub mod rows;
pub mod targets;
pub mod ts;
