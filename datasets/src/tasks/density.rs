//! What tasks on the density of pictures have in common: the next subpixel is asked for, of 256.

use std::path::Path;

use anyhow::Result;

use super::image_files::ImageFiles;
use super::{Splits, Task, cifar_density, mnist_density};
use crate::examples::images::Images;
use crate::examples::subpixels::Subpixels;
use crate::medium::{Medium, Pictures};
use crate::shape::Shape;
use crate::split::Split;

/// Values of a subpixel.
pub const LEVELS: usize = 256;

/// How subpixels make a picture: row by row, the colours of a pixel one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a row, and rows.
    pub side: usize,
    /// Bytes of a pixel: grey, or red, green and blue.
    pub colours: usize,
}

impl Picture {
    /// That of a task; none where it is not on the density of pictures.
    pub fn of(task: &Task) -> Option<Self> {
        let all = [
            (cifar_density::TASK.name, cifar_density::PICTURE),
            (mnist_density::TASK.name, mnist_density::PICTURE),
        ];
        all.into_iter().find(|(name, _)| *name == task.name).map(|(_, picture)| picture)
    }

    /// Bytes of a picture.
    pub const fn subpixels(self) -> usize {
        self.side * self.side * self.colours
    }
}

pub(super) fn splits(
    settings: &ImageFiles,
    place: (&str, &Path),
    picture: Picture,
    images: [Images; 2],
) -> Result<Splits> {
    let size = picture.subpixels();
    let splits = images.map(|images| Split::new(Subpixels::new(images, size)));
    let Picture { side, colours } = picture;
    let medium = Medium::Pictures(Pictures { colours, ..Pictures::grey(side) });
    settings.splits(place, Shape::next_token(LEVELS as i64), medium, splits)
}
