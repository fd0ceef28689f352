//! Whole images of the generator.

mod images;
mod reference;
