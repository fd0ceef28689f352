//! Tokens kept on disk, so that texts are tokenised, and expressions generated, only once.
//!
//! A file holds one [`TokenSet`]: a header, all tokens, the length of each sequence, the class of
//! each example. The header has a fingerprint of what the tokens were made from and how, and a
//! checksum of all that follows it; a file that does not fit either is replaced.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use program::output::note;
use program::{files, interrupt};
use sha2::{Digest, Sha256};

use crate::examples::tokens::TokenSet;

const MAGIC: [u8; 8] = *b"S4TOKENS";

/// Version of the file's layout.
const VERSION: u64 = 1;

/// Magic, version, fingerprint, checksum.
const HEADER: usize = 80;

/// Bytes of tokens, sequences, sequences an example, parts, examples up to the end of each of at
/// most three parts.
const SIZES: usize = 7;

/// What a set of tokens depends on, by SHA-256: the bytes of its sources, the settings, the version
/// of what makes it.
pub type Fingerprint = [u8; 32];

/// Adds some bytes to a fingerprint, in such a way that no two lists of parts look the same.
pub fn hash_part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Adds whole files to a fingerprint.
///
/// # Errors
/// If one cannot be read, or two are the same.
pub fn hash_files(hash: &mut Sha256, paths: &[PathBuf]) -> Result<()> {
    let mut known: Vec<Fingerprint> = Vec::new();
    for path in paths {
        interrupt::check()?;
        let mut content = Sha256::new();
        File::open(path)
            .and_then(|mut file| io::copy(&mut file, &mut content))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let content = content.finalize().into();
        if let Some(twin) = known.iter().position(|other| *other == content) {
            bail!(
                "{} and {} have the same content: one was copied over the other; fetch them again",
                paths[twin].display(),
                path.display()
            );
        }
        hash.update(content);
        known.push(content);
    }
    Ok(())
}

/// The tokens in the file at `path`, or its twin in the user's cache, if they have this fingerprint;
/// else those that `make` makes, which are then kept in one of the two.
///
/// # Errors
/// If `path` is a file of another kind (it is left alone), or `make` fails. Where the tokens cannot
/// be kept, there is a warning.
pub fn cached(
    path: &Path,
    fingerprint: &Fingerprint,
    make: impl FnOnce() -> Result<TokenSet>,
) -> Result<TokenSet> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    for folder in files::caches(folder) {
        if let Some(set) = read(&folder.join(name), fingerprint)? {
            return Ok(set);
        }
    }
    let set = make()?;
    let kept = files::writable_cache(folder)
        .and_then(|folder| write(&folder.join(name), fingerprint, &set));
    if let Err(error) = kept {
        // A full disk is no reason to end a training run.
        note(format_args!(
            "warning: {error:#}. This run goes on; the next one makes the tokens anew"
        ));
    }
    Ok(set)
}

fn write(path: &Path, fingerprint: &Fingerprint, set: &TokenSet) -> Result<()> {
    let sizes = sizes(set);
    let lengths: Vec<u8> = (0..set.ends.len())
        .flat_map(|number| ((set.ends[number] - set.start(number)) as u32).to_le_bytes())
        .collect();
    let content = [&sizes[..], &set.tokens, &lengths, &set.labels];
    let mut checksum = Sha256::new();
    content.iter().for_each(|part| checksum.update(part));
    let header = [&MAGIC[..], &VERSION.to_le_bytes(), fingerprint, &checksum.finalize()].concat();
    let size = HEADER + content.iter().map(|part| part.len()).sum::<usize>();
    files::write_with(path, size as u64, |file| {
        file.write_all(&header)?;
        content.iter().try_for_each(|part| file.write_all(part))
    })
}

/// The numbers that say how the rest is laid out.
fn sizes(set: &TokenSet) -> Vec<u8> {
    let mut sizes = vec![set.tokens.len(), set.ends.len(), set.width, set.parts.len()];
    sizes.extend(&set.parts);
    sizes.resize(SIZES, 0);
    sizes.into_iter().flat_map(|size| (size as u64).to_le_bytes()).collect()
}

/// The set in a file; none where there is no file, or one of other tokens, or a damaged one.
fn read(path: &Path, fingerprint: &Fingerprint) -> Result<Option<TokenSet>> {
    let bytes = match fs::read(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        bytes => bytes.with_context(|| format!("cannot read the cache {}", path.display()))?,
    };
    ensure!(
        bytes.is_empty() || bytes.starts_with(&MAGIC),
        "{} is not a cache of tokens and was left alone: move it away or choose another folder \
         with --set data.cache=DIR",
        path.display()
    );
    Ok(parse(bytes, fingerprint))
}

fn parse(mut bytes: Vec<u8>, fingerprint: &Fingerprint) -> Option<TokenSet> {
    let (header, content) = bytes.split_at_checked(HEADER)?;
    let expected = [&MAGIC[..], &VERSION.to_le_bytes(), fingerprint].concat();
    let checksum = header.strip_prefix(&expected[..])?;
    if checksum != Sha256::digest(content).as_slice() {
        return None;
    }
    // What follows is as it was written.
    let (sizes, content) = content.split_at_checked(8 * SIZES)?;
    let sizes: Vec<usize> =
        sizes.as_chunks().0.iter().map(|&b| u64::from_le_bytes(b) as usize).collect();
    let [tokens, sequences, width, count, parts @ ..] = &sizes[..] else { return None };
    let (lengths, labels) = content.split_at_checked(*tokens)?.1.split_at_checked(4 * sequences)?;
    let mut set = TokenSet::new(*width);
    set.labels = labels.to_vec();
    set.parts = parts.get(..*count)?.to_vec();
    let mut end = 0;
    set.ends.extend(lengths.as_chunks().0.iter().map(|&length| {
        end += u32::from_le_bytes(length) as usize;
        end
    }));
    bytes.truncate(HEADER + 8 * SIZES + tokens);
    bytes.drain(..HEADER + 8 * SIZES);
    set.tokens = bytes;
    Some(set)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn set() -> TokenSet {
        let mut set = TokenSet::new(2);
        for (number, label) in [1u8, 0, 1].into_iter().enumerate() {
            for length in [5, number + 1] {
                set.extend((0..length).map(|token| (token + number) as u8));
                set.end_sequence();
            }
            set.end_example(label);
            if number != 1 {
                set.end_part();
            }
        }
        set
    }

    /// How often tokens are made where they are asked for with this fingerprint.
    fn made(path: &Path, fingerprint: u8) -> usize {
        let count = Cell::new(0);
        let make = || {
            count.set(count.get() + 1);
            Ok(set())
        };
        assert_eq!(cached(path, &[fingerprint; 32], make).unwrap(), set());
        count.get()
    }

    #[test]
    fn tokens_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/set.tokens");
        assert_eq!([made(&path, 1), made(&path, 1), made(&path, 1)], [1, 0, 0]);
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn another_source_or_version_or_damage_makes_them_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.tokens");
        made(&path, 1);
        assert_eq!([made(&path, 2), made(&path, 2)], [1, 0], "another source");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            assert_eq!(parse(damaged, &[2; 32]), None, "byte {at}");
            assert_eq!(parse(good[..at].to_vec(), &[2; 32]), None, "the first {at} bytes");
        }
        for damaged in [&good[..good.len() - 1], &[]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!([made(&path, 2), made(&path, 2)], [1, 0]);
        }
    }

    #[test]
    fn a_file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.tokens");
        fs::write(&path, "my notes").unwrap();
        let error = cached(&path, &[0; 32], || Ok(set())).unwrap_err();
        assert!(format!("{error:#}").contains("not a cache of tokens"), "{error:#}");
        assert_eq!(fs::read(&path).unwrap(), b"my notes");
    }

    #[test]
    fn tokens_that_cannot_be_kept_can_be_had() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("taken"), "a file").unwrap();
        assert_eq!(made(&folder.path().join("taken/set.tokens"), 1), 1);
    }
}
