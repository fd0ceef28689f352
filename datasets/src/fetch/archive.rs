//! What an official archive is.

use super::checksum::Checksum;

/// A file in which a task's data comes.
#[derive(Debug, Clone, Copy)]
pub struct Archive {
    /// Its official address, or that of its folder, which ends in `/`.
    pub url: &'static str,
    /// The name it is kept under.
    pub file: &'static str,
    /// Bytes, where published.
    pub size: Option<u64>,
    /// Checksum, where published: by the authors (CIFAR-10), else by the libraries that many fetch
    /// the data with: torchvision (MNIST, Fashion-MNIST), torchaudio and TensorFlow Datasets (Speech
    /// Commands), PaddlePaddle and others (IMDb).
    pub checksum: Option<Checksum>,
    /// What is made of it.
    pub packing: Packing,
}

impl Archive {
    /// A file that is read as it is, put into `folder`, of which neither size nor checksum is published.
    pub const fn plain(url: &'static str, file: &'static str, folder: &'static str) -> Self {
        Self { url, file, size: None, checksum: None, packing: Packing::Plain { folder } }
    }
}

/// How the data is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Read as it is.
    Plain {
        /// The folder it is put into: some data sets call their files the same.
        folder: &'static str,
    },
    /// Files and folders, gzipped.
    TarGz {
        /// The folder that comes of it.
        folder: &'static str,
        /// Whether the archive holds the content of that folder rather than the folder.
        bare: bool,
    },
}
