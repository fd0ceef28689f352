//! Generated images kept on disk, so that every epoch after the first reads what the first made.
//!
//! One file holds one range of images as raw bytes: a header, then a slot for each image. Slots are
//! filled as images are asked for, so that training starts at once; a file of 160,000 images of
//! 128 x 128 pixels grows to 2.6 GB. A slot's checksum is written after its image and covers image,
//! label and number: after a crash at any moment, even of the machine, a slot is either right or
//! made anew. Several processes may fill one file, since they write the same bytes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};
use rayon::prelude::*;

use program::files::{self, cannot};
use program::output::note;

use super::source::{Generated, ImageSource, check_request};

const MAGIC: [u8; 8] = *b"S4PFIMGS";

/// Version of the file's layout.
const VERSION: u32 = 1;

/// Bytes of the header; the rest of them is zero.
const HEADER: usize = 128;

/// Bytes after the pixels of a slot: label, seven zeros, checksum.
const TRAILER: usize = 16;

/// How a cache file came to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was there.
    Reused,
    /// It was not there.
    Created,
    /// It was there but of other images or damaged, and was replaced. The text says why.
    Replaced(String),
}

/// [`Generated`] images through a file.
#[derive(Debug)]
pub struct Cached {
    generated: Generated,
    file: File,
    path: PathBuf,
    opened: Opened,
    hits: AtomicU64,
    /// Set where nothing can be written: images that are not there are generated each time.
    broken: AtomicBool,
}

/// The file name for a range of images, e.g. `pathfinder128-hard-seed0-0-160000.cache`.
pub fn file_name(generated: &Generated) -> String {
    let spec = generated.generator().spec();
    let indices = generated.indices();
    format!(
        "{}-{}-seed{}-{}-{}.cache",
        spec.folder(),
        spec.difficulty,
        generated.generator().seed(),
        indices.start,
        indices.end
    )
}

impl Cached {
    /// Opens the cache of these images in a folder, under [`file_name`], or makes it there, or in the
    /// user's cache where it cannot be made there.
    ///
    /// # Errors
    /// As [`Cached::open_file`].
    pub fn open(folder: &Path, generated: Generated) -> Result<Self> {
        let name = file_name(&generated);
        let kept = files::caches(folder).into_iter().find(|folder| folder.join(&name).exists());
        let folder = kept.map_or_else(|| files::writable_cache(folder), Ok)?;
        Self::open_file(&folder.join(name), generated)
    }

    /// Opens a cache file, or makes it. A file of other images, of another version or length, or
    /// with a damaged header, is replaced.
    ///
    /// # Errors
    /// If there is no image to cache; if the file at `path` is not a cache at all (it is left
    /// alone); if the disk has too little space for all images; if the system refuses. The message
    /// says what to do; the images themselves can always be had from [`Generated`].
    pub fn open_file(path: &Path, generated: Generated) -> Result<Self> {
        ensure!(!generated.is_empty(), "there are no images to cache");
        let header = header(&generated);
        let opened = match fs::metadata(path) {
            Ok(found) if found.is_file() => match mismatch(path, &header, length(&generated))? {
                None => Opened::Reused,
                Some(reason) => {
                    create(path, &header, length(&generated), found.len())?;
                    Opened::Replaced(reason)
                }
            },
            Ok(_) => bail!("the cache {} is a folder: choose another path", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path, &header, length(&generated), 0)?;
                Opened::Created
            }
            Err(error) => return Err(cannot("open the cache", path)(error)),
        };
        let file = OpenOptions::new().read(true).write(true).open(path);
        // What is there may be read where nothing may be written.
        let (file, read_only) = match file {
            Ok(file) => (file, false),
            Err(_) => (File::open(path).map_err(cannot("open the cache", path))?, true),
        };
        Ok(Self {
            generated,
            file,
            path: path.to_owned(),
            opened,
            hits: AtomicU64::new(0),
            broken: AtomicBool::new(read_only),
        })
    }

    /// How the file came to be open.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many images were read from the file instead of generated.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Makes every image that is missing, on all threads. `progress` is called with the number of
    /// images done, from any thread; when it returns false, the rest is left for later.
    ///
    /// # Errors
    /// If an image cannot be generated.
    pub fn fill(&self, progress: &(dyn Fn(usize) -> bool + Sync)) -> Result<()> {
        let done = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let pixels = self.side() * self.side();
        (0..self.len()).into_par_iter().try_for_each_init(
            || vec![0; pixels],
            |buffer, index| {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.get(index, buffer)?;
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if !progress(done as usize) {
                    stop.store(true, Ordering::Relaxed);
                }
                Ok(())
            },
        )
    }

    fn offset(&self, index: usize) -> u64 {
        (HEADER + index * slot_size(&self.generated)) as u64
    }

    /// The image in a slot, if it is there and whole.
    fn read(&self, index: usize, pixels: &mut [u8]) -> Option<u8> {
        let mut trailer = [0; TRAILER];
        let offset = self.offset(index);
        self.file.read_exact_at(&mut trailer, offset + pixels.len() as u64).ok()?;
        let label = trailer[0];
        let stored = u64::from_le_bytes(trailer[8..].try_into().ok()?);
        // A slot that was never written is zero.
        if stored == 0 || label > 1 {
            return None;
        }
        self.file.read_exact_at(pixels, offset).ok()?;
        (stored == checksum(index, label, pixels)).then_some(label)
    }

    fn write(&self, index: usize, pixels: &[u8], label: u8) -> io::Result<()> {
        let offset = self.offset(index);
        self.file.write_all_at(pixels, offset)?;
        let mut trailer = [0; TRAILER];
        trailer[0] = label;
        trailer[8..].copy_from_slice(&checksum(index, label, pixels).to_le_bytes());
        // Only now does the slot count as filled.
        self.file.write_all_at(&trailer, offset + pixels.len() as u64)
    }
}

impl ImageSource for Cached {
    fn len(&self) -> usize {
        self.generated.len()
    }

    fn label(&self, index: usize) -> Result<u8> {
        self.generated.label(index)
    }

    fn side(&self) -> usize {
        self.generated.side()
    }

    fn get(&self, index: usize, pixels: &mut [u8]) -> Result<u8> {
        check_request(self, index, pixels.len())?;
        if let Some(label) = self.read(index, pixels) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(label);
        }
        let label = self.generated.get(index, pixels)?;
        if !self.broken.load(Ordering::Relaxed)
            && let Err(error) = self.write(index, pixels, label)
            && !self.broken.swap(true, Ordering::Relaxed)
        {
            // A full disk is no reason to end a training run.
            note(format_args!(
                "warning: {:#}. Images that are not in the cache are generated each time.",
                cannot("write to the cache", &self.path)(error)
            ));
        }
        Ok(label)
    }
}

fn slot_size(generated: &Generated) -> usize {
    generated.side() * generated.side() + TRAILER
}

fn length(generated: &Generated) -> u64 {
    HEADER as u64 + generated.len() as u64 * slot_size(generated) as u64
}

/// The header of a cache of these images.
fn header(generated: &Generated) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(generated.side() as u32).to_le_bytes());
    header[16..48].copy_from_slice(&generated.generator().spec().fingerprint());
    header[48..56].copy_from_slice(&generated.generator().seed().to_le_bytes());
    header[56..64].copy_from_slice(&generated.indices().start.to_le_bytes());
    header[64..72].copy_from_slice(&generated.indices().end.to_le_bytes());
    header
}

/// Why an existing file is not the cache that is wanted, if it is not.
fn mismatch(path: &Path, wanted: &[u8; HEADER], length: u64) -> Result<Option<String>> {
    let open = || -> io::Result<(u64, [u8; HEADER])> {
        let file = File::open(path)?;
        let found = file.metadata()?.len();
        let mut header = [0; HEADER];
        let readable = header.len().min(found as usize);
        file.read_exact_at(&mut header[..readable], 0)?;
        Ok((found, header))
    };
    let (found, header) = open().map_err(cannot("read the cache", path))?;
    ensure!(
        found == 0 || header[..8] == MAGIC,
        "{} is not a cache of Pathfinder images and was left alone: move it away or choose another \
         folder for the cache",
        path.display()
    );
    let differs = |range: std::ops::Range<usize>| header[range.clone()] != wanted[range];
    Ok(if found == 0 {
        Some("it was empty".to_owned())
    } else if found < HEADER as u64 {
        Some("it ends within its header".to_owned())
    } else if differs(8..12) {
        Some("it was written in another version of the layout".to_owned())
    } else if differs(12..48) {
        Some("its images have another specification or generator version".to_owned())
    } else if differs(48..56) {
        Some("its images have another seed".to_owned())
    } else if differs(56..72) {
        Some("it holds another range of images".to_owned())
    } else if differs(72..HEADER) {
        Some("its header is damaged".to_owned())
    } else if found != length {
        Some(format!("it has {found} bytes instead of {length}"))
    } else {
        None
    })
}

/// Makes an empty cache: aside, flushed, renamed. `replaced` bytes of an older one become free.
fn create(path: &Path, header: &[u8; HEADER], length: u64, replaced: u64) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::create_folder(folder)?;
    if let Some(free) = files::free_space(folder)
        && free.saturating_add(replaced) < length
    {
        bail!(
            "the cache {} will take {} MB, but its disk has {} MB free: free some space, choose \
             another folder or use fewer images",
            path.display(),
            length.div_ceil(1_000_000),
            free / 1_000_000
        );
    }
    let aside = files::aside(path);
    let make = || -> io::Result<()> {
        let file = File::create(&aside)?;
        file.write_all_at(header, 0)?;
        // Takes no space yet where the file system knows sparse files.
        file.set_len(length)?;
        file.sync_all()?;
        files::rename(&aside, path)
    };
    make().map_err(|error| {
        let _ = fs::remove_file(&aside);
        cannot("create the cache", path)(error)
    })
}

/// FNV-1a, 64 bits, over number, label and image taken eight bytes at a time; never 0.
fn checksum(index: usize, label: u8, pixels: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |word: u64| {
        hash = (hash ^ word).wrapping_mul(PRIME);
        // Whole words leave the low bits of the product weak; FNV proper takes bytes.
        hash ^= hash >> 32;
    };
    add(index as u64);
    add(u64::from(label));
    let (words, rest) = pixels.as_chunks::<8>();
    for word in words {
        add(u64::from_le_bytes(*word));
    }
    for &byte in rest {
        add(u64::from(byte));
    }
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_sees_every_change() {
        let pixels: Vec<u8> = (0..1027).map(|i| (i % 251) as u8).collect();
        let sum = checksum(3, 1, &pixels);
        assert_ne!(sum, checksum(4, 1, &pixels));
        assert_ne!(sum, checksum(3, 0, &pixels));
        for i in 0..pixels.len() {
            let mut changed = pixels.clone();
            changed[i] ^= 1;
            assert_ne!(sum, checksum(3, 1, &changed), "byte {i}");
            // A part that was never written is zero.
            changed[i..].fill(0);
            assert_ne!(sum, checksum(3, 1, &changed), "from byte {i}");
        }
    }
}
