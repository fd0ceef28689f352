//! Reading the published layout of the Long Range Arena release.
//!
//! ```text
//! pathfinder128/curv_contour_length_14/metadata/0.npy       plain text, one line an image
//! pathfinder128/curv_contour_length_14/imgs/0/sample_0.png  8-bit grey
//! ```
//!
//! A line of metadata has 11 columns separated by spaces: image folder, file, number, **label**,
//! continuity, contour length, distractor length, paddle length, paddle thickness, margin, number
//! of paddle contrasts. Despite their names the metadata files are not NumPy arrays.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use program::files::cannot;
use program::names::pasted;

use super::Difficulty;
use super::png_image;
use super::source::{ImageSource, check_request};

/// The one image of the release that is empty, and that everyone leaves out.
const EMPTY_IMAGE: (&str, &str) = ("curv_baseline", "imgs/0/sample_172.png");

/// An image of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the level's folder, e.g. `imgs/0/sample_0.png`.
    pub path: String,
    /// 0 or 1.
    pub label: u8,
}

/// A data set of the release: its images in the order in which the official S4 code reads them,
/// which is that of the metadata files' numbers and of the lines in them.
#[derive(Clone, Debug)]
pub struct Release {
    level_folder: PathBuf,
    size: usize,
    entries: Vec<Entry>,
}

impl Release {
    /// Reads the metadata of one size and level; images are read when they are asked for.
    ///
    /// `dir` is the folder that holds `pathfinder{size}`, or one that holds it in `lra_release`, as
    /// the official archive unpacks, or `pathfinder{size}` itself.
    ///
    /// # Errors
    /// If the folder or its metadata are missing, unreadable or malformed; the message names the
    /// file and line.
    pub fn open(dir: &Path, size: usize, level: Difficulty) -> Result<Self> {
        let level_folder = find_level(dir, size, level)?;
        let mut entries = Vec::new();
        for file in metadata_files(&level_folder, size, level)? {
            let bytes = fs::read(&file).map_err(cannot("read the metadata", &file))?;
            read_metadata(&file, &bytes, &mut entries)?;
        }
        if size == 32 && level.folder() == EMPTY_IMAGE.0 {
            entries.retain(|entry| entry.path != EMPTY_IMAGE.1);
        }
        ensure!(
            !entries.is_empty(),
            "the metadata in {} list no image: unpack the archive again, or {}",
            level_folder.join("metadata").display(),
            how_to_generate(dir, size, level)
        );
        Ok(Self { level_folder, size, entries })
    }

    /// The images, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where an image lies.
    pub fn path(&self, index: usize) -> PathBuf {
        self.level_folder.join(&self.entries[index].path)
    }

    /// The folder of the size and level.
    pub fn folder(&self) -> &Path {
        &self.level_folder
    }
}

impl ImageSource for Release {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn side(&self) -> usize {
        self.size
    }

    fn get(&self, index: usize, pixels: &mut [u8]) -> Result<u8> {
        check_request(self, index, pixels.len())?;
        let path = self.path(index);
        let bytes = fs::read(&path).map_err(|error| {
            let missing = error.kind() == ErrorKind::NotFound;
            let error = cannot("read the image", &path)(error);
            if missing {
                error.context(format!(
                    "an image listed in {} is not there: unpack the archive again",
                    self.level_folder.join("metadata").display()
                ))
            } else {
                error
            }
        })?;
        png_image::decode(&bytes, self.size, pixels).with_context(|| {
            format!("the image {} cannot be used: unpack the archive again", path.display())
        })?;
        Ok(self.entries[index].label)
    }

    fn label(&self, index: usize) -> Result<u8> {
        Ok(self.entries[index].label)
    }
}

fn how_to_generate(dir: &Path, size: usize, level: Difficulty) -> String {
    format!(
        "make images of the same kind with `lra-bench generate-data --task pathfinder --size {size} \
         --difficulty {level} --out {} --count N`",
        pasted(dir)
    )
}

/// The folder of a size and level in or under `dir`.
fn find_level(dir: &Path, size: usize, level: Difficulty) -> Result<PathBuf> {
    let set = format!("pathfinder{size}");
    let mut looked = Vec::new();
    for prefix in ["", "lra_release", "lra_release/lra_release"] {
        looked.push(dir.join(prefix).join(&set).join(level.folder()));
    }
    if dir.file_name().is_some_and(|name| name == set.as_str()) {
        looked.push(dir.join(level.folder()));
    }
    if let Some(found) = looked.iter().find(|folder| folder.is_dir()) {
        return Ok(found.clone());
    }
    let list: Vec<String> = looked.iter().map(|p| p.display().to_string()).collect();
    bail!(
        "no {level} Pathfinder images of {size} x {size} pixels: looked for the folder {}. \
         Unpack the official archive there (lra_release.gz, linked from \
         github.com/google-research/long-range-arena), or {}",
        list.join(" and "),
        how_to_generate(dir, size, level)
    )
}

/// The metadata files in the order of their numbers.
fn metadata_files(level_folder: &Path, size: usize, level: Difficulty) -> Result<Vec<PathBuf>> {
    let folder = level_folder.join("metadata");
    let list = fs::read_dir(&folder).map_err(cannot("read the metadata folder", &folder))?;
    let mut files = Vec::new();
    for item in list {
        let path = item.map_err(cannot("read the metadata folder", &folder))?.path();
        if path.extension().is_none_or(|e| e != "npy") {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        // Left-overs of an interrupted writer start with a dot.
        if stem.starts_with('.') {
            continue;
        }
        let number: u64 = stem.parse().with_context(|| {
            format!(
                "the metadata file {} is not named by a number, as in 0.npy: move it away",
                path.display()
            )
        })?;
        files.push((number, path));
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "the metadata folder {} holds no .npy file: unpack the archive again, or {}",
        folder.display(),
        how_to_generate(&folder, size, level)
    );
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Reads the lines of a metadata file. Blank lines, other white space, carriage returns, further
/// columns and labels such as `1.0` are accepted.
fn read_metadata(file: &Path, bytes: &[u8], entries: &mut Vec<Entry>) -> Result<()> {
    ensure!(
        !bytes.starts_with(b"\x93NUMPY"),
        "{} is a binary NumPy array, as the generator of drewlinsley/pathfinder writes it; the \
         release has plain text in its place. Convert it with `numpy.savetxt(file, \
         numpy.load(file), fmt='%s')`",
        file.display()
    );
    let text = std::str::from_utf8(bytes)
        .with_context(|| format!("the metadata file {} is not text", file.display()))?;
    for (number, line) in text.lines().enumerate() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if columns.is_empty() {
            continue;
        }
        let entry = parse_line(&columns).with_context(|| {
            format!("{}, line {}: cannot understand `{line}`", file.display(), number + 1)
        })?;
        entries.push(entry);
    }
    Ok(())
}

fn parse_line(columns: &[&str]) -> Result<Entry> {
    ensure!(
        columns.len() >= 4,
        "expected at least 4 columns (image folder, file, number, label), found {}",
        columns.len()
    );
    let label: f64 = columns[3]
        .parse()
        .with_context(|| format!("the label `{}` is not a number", columns[3]))?;
    ensure!(label == 0.0 || label == 1.0, "the label is {}, but must be 0 or 1", columns[3]);
    let path = format!("{}/{}", columns[0].trim_end_matches('/'), columns[1]);
    // Metadata must not lead out of the data set.
    ensure!(
        Path::new(&path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir)),
        "the path {path} leads out of the folder"
    );
    Ok(Entry { path, label: u8::from(label == 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        read_metadata(Path::new("metadata/3.npy"), text, &mut entries)?;
        Ok(entries)
    }

    #[test]
    fn metadata_are_read_tolerantly() {
        let text = b"imgs/0 sample_0.png 0 1 1.0 14 4 2 0.5 1 1\r\n\n  imgs/0\tsample_1.png 1 0.0 \
                     1.0 14 4 2 0.5 1 1";
        let entries = read(text).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].path, "imgs/0/sample_0.png");
        assert_eq!((entries[0].label, entries[1].label), (1, 0));
    }

    #[test]
    fn bad_metadata_name_file_and_line() {
        let cases: [(&[u8], &str); 6] = [
            (b"imgs/0 a.png 0 1\nimgs/0 b.png 1", "line 2"),
            (b"imgs/0 a.png 0 2", "must be 0 or 1"),
            (b"imgs/0 a.png 0 yes", "`yes`"),
            (b"../../etc passwd 0 1", "out of the folder"),
            (b"\x93NUMPY\x01\x00", "savetxt"),
            (b"\xff\xfe\x00", "not text"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains("metadata/3.npy"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
