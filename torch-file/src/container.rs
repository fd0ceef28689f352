//! The two forms of a file: a ZIP archive, and, before PyTorch 1.6, pickles one after the other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use zip::{CompressionMethod, ZipArchive};

use crate::node::Node;
use crate::pickle::{self, Graph, Value};
use crate::tensor::{RawTensor, Storage, TensorView};

/// Pickles of checkpoints have some kilobytes; the tensors are beside them.
const LONGEST_PICKLE: u64 = 16 << 20;
/// What the first pickle of the older form is.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// The only version that there ever was of it.
const PROTOCOL: i64 = 1001;

/// A file whose pickle has been read; its tensors are read as they are asked for.
#[derive(Debug)]
pub struct TorchFile {
    graph: Graph,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// With what the names of all records begin with.
    Zip(ZipArchive<BufReader<File>>, String),
    /// With where each storage begins, and its bytes.
    Legacy(BufReader<File>, HashMap<String, (u64, u64)>),
}

impl TorchFile {
    /// Opens `path` and reads its pickle.
    ///
    /// # Errors
    /// If it cannot be read, is of no form that `torch.save` writes, or is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let named = || format!("cannot read {}", path.display());
        let metadata = std::fs::metadata(path).with_context(named)?;
        ensure!(metadata.is_file(), "{}: it is no file", named()); // A pipe would be waited for.
        let mut file = BufReader::new(File::open(path).with_context(named)?);
        let mut start = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).with_context(named)?;
        file.rewind().with_context(named)?;
        let read = if start.starts_with(b"PK\x03\x04") {
            Self::zip(file)
        } else if start == MAGIC {
            Self::legacy(file, metadata.len())
        } else {
            bail!(
                "{} is no file of torch.save: it is neither a ZIP archive nor begins as those before \
                 PyTorch 1.6 do (empty, cut off at its beginning, or something else)",
                path.display()
            )
        };
        read.with_context(|| path.display().to_string())
    }

    fn zip(file: BufReader<File>) -> Result<Self> {
        let mut zip = ZipArchive::new(file)
            .context("it is a damaged ZIP archive (cut short?): copy or fetch it again")?;
        let mut names = HashSet::new();
        for index in 0..zip.len() {
            let record = zip.by_index_raw(index).context("its directory is damaged")?;
            ensure!(
                names.insert(record.name().to_owned()),
                "it has two records called {:?}",
                record.name()
            );
        }
        let is_top = |name: &&String| name.matches('/').count() == 1 && name.ends_with("/data.pkl");
        let mut pickles = names.iter().filter(is_top);
        let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
            bail!("it is a ZIP archive, but not one of torch.save: it has no data.pkl, or several")
        };
        let root = pickle.strip_suffix("data.pkl").unwrap_or_default().to_owned();
        ensure!(
            !names.contains(&format!("{root}constants.pkl")),
            "it is a TorchScript archive, which holds a program, and no checkpoint: save the module's \
             state_dict() instead"
        );
        if names.contains(&format!("{root}byteorder")) {
            let order = record(&mut zip, &format!("{root}byteorder"), 16)?;
            ensure!(
                order == b"little",
                "it was written on a big-endian machine, which is not read"
            );
        }
        let bytes = record(&mut zip, pickle, LONGEST_PICKLE)?;
        let (graph, _) = pickle::read(&bytes)?;
        Ok(Self { graph, source: Source::Zip(zip, root) })
    }

    fn legacy(mut file: BufReader<File>, size: u64) -> Result<Self> {
        let mut bytes = Vec::new();
        file.by_ref().take(LONGEST_PICKLE).read_to_end(&mut bytes).context("cannot read on")?;
        let mut at = MAGIC.len();
        let mut next = |part: &str| -> Result<Graph> {
            let (graph, used) = pickle::read(&bytes[at..]).with_context(|| part.to_owned())?;
            at += used;
            Ok(graph)
        };
        ensure!(
            next("its version")?.root().int() == Some(PROTOCOL),
            "it is of a version of the form before PyTorch 1.6 that there never was"
        );
        let little = next("its description")?.root().get("little_endian").map(Node::value).cloned();
        ensure!(
            matches!(little, Some(Value::Bool(true))),
            "it was written on a big-endian machine, which is not read"
        );
        let graph = next("its object")?;
        let keys = next("its list of storages")?;
        let mut widths: HashMap<&str, usize> = HashMap::new();
        for storage in graph.storages() {
            let width = storage.dtype.size();
            ensure!(
                widths.insert(&storage.key, width).is_none_or(|other| other == width),
                "storage {} is of two kinds",
                storage.key
            );
        }
        let mut places = HashMap::new();
        let mut at = at as u64;
        for key in keys.root().members() {
            let key = key.text().context("the name of a storage is no text")?;
            let width = *widths.get(key).with_context(|| format!("nothing uses storage {key}"))?;
            let mut count = [0; 8];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut count).context("it is cut short: a storage is missing")?;
            let length = u64::from_le_bytes(count).checked_mul(width as u64);
            let end = length.and_then(|length| (at + 8).checked_add(length));
            let (Some(length), Some(end)) = (length, end.filter(|end| *end <= size)) else {
                bail!("it is cut short: storage {key} reaches beyond its end")
            };
            places.insert(key.to_owned(), (at + 8, length));
            at = end;
        }
        Ok(Self { graph, source: Source::Legacy(file, places) })
    }

    /// What was saved.
    pub fn object(&self) -> Node<'_> {
        self.graph.root()
    }

    /// Functions and classes that the file wanted to be called, and that were not: all that are more
    /// than plain data and tensors.
    pub fn passed_over(&self) -> &BTreeSet<String> {
        self.graph.passed_over()
    }

    /// The elements of a tensor.
    ///
    /// # Errors
    /// If they are not in the file, or damaged.
    pub fn read(&mut self, tensor: &TensorView) -> Result<RawTensor> {
        let Storage { key, len, dtype } = &tensor.storage;
        let size = (len.checked_mul(dtype.size())).context("a storage is too large")? as u64;
        let bytes = match &mut self.source {
            Source::Zip(zip, root) => record(zip, &format!("{root}data/{key}"), size)?,
            Source::Legacy(file, places) => {
                let (at, length) =
                    *places.get(key).with_context(|| format!("it has no storage {key}"))?;
                ensure!(length == size, "storage {key} has {length} bytes, expected {size}");
                file.seek(SeekFrom::Start(at))?;
                let mut bytes = vec![0; length as usize]; // It was within the file.
                file.read_exact(&mut bytes).with_context(|| format!("storage {key}"))?;
                bytes
            }
        };
        tensor.gather(&bytes)
    }
}

/// The bytes of a record, of at most `limit`.
fn record(zip: &mut ZipArchive<BufReader<File>>, name: &str, limit: u64) -> Result<Vec<u8>> {
    let context = || format!("its record {name}");
    let mut file = zip.by_name(name).with_context(context)?;
    ensure!(
        file.compression() == CompressionMethod::Stored,
        "{} is compressed, as torch.save never does",
        context()
    );
    ensure!(file.size() <= limit, "{} has {} bytes, expected {limit}", context(), file.size());
    let mut bytes = Vec::new();
    (&mut file)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{} is damaged; copy or fetch the file again", context()))?;
    Ok(bytes)
}
