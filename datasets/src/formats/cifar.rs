//! CIFAR-10 in its binary version (Krizhevsky 2009): five training batches and a test batch of
//! records of 3,073 bytes: the class, then 1,024 bytes each of red, green and blue, row by row.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::examples::images::{Colour, Images, luma};

/// Names of the classes, as in `batches.meta.txt`.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// Pixels per image.
pub const PIXELS: usize = 32 * 32;

const TRAIN: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
const TEST: [&str; 1] = ["test_batch.bin"];
const RECORD: usize = 1 + 3 * PIXELS;

/// Whether all files are in `dir`.
pub fn is_there(dir: &Path) -> bool {
    TRAIN.iter().chain(&TEST).all(|file| dir.join(file).is_file())
}

/// The training and the test images of a folder.
///
/// # Errors
/// If a file is missing, damaged, not what its name says, or the same as another.
pub fn read(dir: &Path, colour: Colour) -> Result<(Images, Images)> {
    let files = |names: &[&'static str]| -> Result<Vec<(&'static str, Vec<u8>)>> {
        names.iter().map(|&name| Ok((name, read_file(&dir.join(name))?))).collect()
    };
    let (train, test) = (files(&TRAIN)?, files(&TEST)?);
    let all: Vec<_> = train.iter().chain(&test).collect();
    for (i, (name, records)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..i].iter().find(|(_, others)| others == records) {
            anyhow::bail!(
                "{other} and {name} in {} are the same; unpack the archive again",
                dir.display()
            );
        }
    }
    Ok((images(&train, colour), images(&test, colour)))
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let records = fs::read(path).context("cannot read it")?;
        check(&records)?;
        Ok(records)
    };
    read().with_context(|| {
        format!("{} is not usable; unpack cifar-10-binary.tar.gz again", path.display())
    })
}

/// Makes sure that the bytes of a file are whole records of known classes.
///
/// # Errors
/// If they are not.
pub fn check(records: &[u8]) -> Result<()> {
    ensure!(
        !records.is_empty() && records.len().is_multiple_of(RECORD),
        "it has {} bytes, which is no number of records of {RECORD} bytes: it is cut off, or not of \
         CIFAR-10's binary version",
        records.len()
    );
    for (number, record) in records.chunks_exact(RECORD).enumerate() {
        ensure!(
            usize::from(record[0]) < CLASSES.len(),
            "record {number} is of class {}, expected 0 to 9",
            record[0]
        );
    }
    Ok(())
}

fn images(files: &[(&str, Vec<u8>)], colour: Colour) -> Images {
    let mut images = Images::grey(Vec::new(), Vec::new(), PIXELS);
    for record in files.iter().flat_map(|(_, records)| records.chunks_exact(RECORD)) {
        images.labels.push(record[0]);
        let plane = |number: usize| &record[1 + number * PIXELS..][..PIXELS];
        let rgb = plane(0).iter().zip(plane(1)).zip(plane(2)).map(|((&r, &g), &b)| [r, g, b]);
        match colour {
            Colour::Grey => images.pixels.extend(rgb.map(luma)),
            Colour::Rgb => images.pixels.extend(rgb.flatten()),
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(class: u8, rgb: [u8; 3]) -> Vec<u8> {
        let mut record = vec![class];
        for colour in rgb {
            record.extend([colour; PIXELS]);
        }
        record
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in TRAIN.iter().chain(&TEST).enumerate() {
            let colour = 10 * number as u8;
            let records = [record(3, [colour, 1, 2]), record(9, [4, colour, 6])].concat();
            fs::write(folder.path().join(name), records).unwrap();
        }
        folder
    }

    #[test]
    fn colours_are_interleaved_and_classes_kept() {
        let folder = folder();
        assert!(is_there(folder.path()));
        let (train, test) = read(folder.path(), Colour::Rgb).unwrap();
        assert_eq!(train.labels, [3, 9, 3, 9, 3, 9, 3, 9, 3, 9]);
        assert_eq!(test.pixels[..6], [50, 1, 2, 50, 1, 2]);
        assert_eq!(test.pixels[3 * PIXELS..][..3], [4, 50, 6]);
        let (_, grey) = read(folder.path(), Colour::Grey).unwrap();
        assert_eq!(grey.pixels.len(), 2 * PIXELS);
        assert_eq!(grey.pixels[0], luma([50, 1, 2]));
    }

    #[test]
    fn damage_is_named_with_the_file() {
        let error = |change: &dyn Fn(&Path)| {
            let folder = folder();
            change(folder.path());
            format!("{:#}", read(folder.path(), Colour::Grey).unwrap_err())
        };
        let message = error(&|dir| fs::write(dir.join(TRAIN[2]), [0; 5000]).unwrap());
        assert!(message.contains("data_batch_3.bin") && message.contains("cut off"), "{message}");
        let message = error(&|dir| fs::write(dir.join(TEST[0]), record(10, [0; 3])).unwrap());
        assert!(message.contains("record 0 is of class 10"), "{message}");
        let message = error(&|dir| {
            fs::copy(dir.join(TRAIN[0]), dir.join(TEST[0])).unwrap();
        });
        assert!(message.contains("data_batch_1.bin and test_batch.bin"), "{message}");
    }
}
