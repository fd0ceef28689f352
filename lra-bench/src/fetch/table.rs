//! The official archives, in one table.
//!
//! Sums are the authors' where they publish any (CIFAR-10), else those of the libraries that many
//! fetch the data with: torchvision (MNIST, Fashion-MNIST), torchaudio and TensorFlow Datasets
//! (Speech Commands), PaddlePaddle and others (IMDb). None is published for the release of the Long
//! Range Arena, nor for what GitHub packs itself (its archives may change in their bytes).

use super::checksum::Sum;

/// A file in which a task's data comes.
#[derive(Debug, Clone, Copy)]
pub struct Archive {
    /// Its official address.
    pub url: &'static str,
    /// The name it is kept under.
    pub file: &'static str,
    /// Bytes, where published.
    pub size: Option<u64>,
    /// Sum, where published.
    pub sum: Option<Sum>,
    /// What is made of it.
    pub packing: Packing,
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

/// The archives of `task`; none where its data has no official address.
pub fn archives(task: &str) -> &'static [Archive] {
    let entry = TABLE.iter().find(|(tasks, _)| tasks.contains(&task));
    entry.map_or(&[], |(_, archives)| archives)
}

/// Tasks that share archives, and these.
const TABLE: &[(&[&str], &[Archive])] = &[
    (
        &["listops", "retrieval", "pathfinder", "pathfinder64", "path-x", "path-256"],
        &[Archive {
            url: "https://storage.googleapis.com/long-range-arena/lra_release.gz",
            file: "lra_release.gz",
            size: None, // about 7.7 GB
            sum: None,
            packing: Packing::TarGz { folder: "lra_release", bare: false },
        }],
    ),
    (
        &["text"],
        &[Archive {
            url: "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            file: "aclImdb_v1.tar.gz",
            size: Some(84_125_825),
            sum: Some(Sum::Md5("7c2ac02c03563afcf9b574c7e56c153a")),
            packing: Packing::TarGz { folder: "aclImdb", bare: false },
        }],
    ),
    (
        &["image", "scifar"],
        &[Archive {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            file: "cifar-10-binary.tar.gz",
            size: Some(170_052_171),
            sum: Some(Sum::Md5("c32a1d4ab5d03f1284b67883e8d87530")),
            packing: Packing::TarGz { folder: "cifar-10-batches-bin", bare: false },
        }],
    ),
    (
        &["smnist", "psmnist"],
        &[
            Archive {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                file: "train-images-idx3-ubyte.gz",
                size: Some(9_912_422),
                sum: Some(Sum::Md5("f68b3c2dcbeaaa9fbdd348bbdeb94873")),
                packing: MNIST,
            },
            Archive {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                file: "train-labels-idx1-ubyte.gz",
                size: Some(28_881),
                sum: Some(Sum::Md5("d53e105ee54ea40749a09fcbcd1e9432")),
                packing: MNIST,
            },
            Archive {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                file: "t10k-images-idx3-ubyte.gz",
                size: Some(1_648_877),
                sum: Some(Sum::Md5("9fb629c4189551a2d022fa330f9573f3")),
                packing: MNIST,
            },
            Archive {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                file: "t10k-labels-idx1-ubyte.gz",
                size: Some(4_542),
                sum: Some(Sum::Md5("ec29112dd5afa0611ce80d1b7f02629c")),
                packing: MNIST,
            },
        ],
    ),
    (
        &["fashion-mnist"],
        &[
            Archive {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                file: "train-images-idx3-ubyte.gz",
                size: Some(26_421_880),
                sum: Some(Sum::Md5("8d4fb7e6c68d591d4c3dfef9ec88bf0d")),
                packing: FASHION_MNIST,
            },
            Archive {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                file: "train-labels-idx1-ubyte.gz",
                size: Some(29_515),
                sum: Some(Sum::Md5("25c81989df183df01b3e8a0aad5dffbe")),
                packing: FASHION_MNIST,
            },
            Archive {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                file: "t10k-images-idx3-ubyte.gz",
                size: Some(4_422_102),
                sum: Some(Sum::Md5("bef4ecab320f06d8554ea6380940ec79")),
                packing: FASHION_MNIST,
            },
            Archive {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                file: "t10k-labels-idx1-ubyte.gz",
                size: Some(5_148),
                sum: Some(Sum::Md5("bb300cfdad3c16e7a12a480ee83cd310")),
                packing: FASHION_MNIST,
            },
        ],
    ),
    (
        &["speech-commands"],
        &[Archive {
            url: "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            file: "speech_commands_v0.02.tar.gz",
            size: Some(2_428_923_189),
            sum: Some(Sum::Sha256(
                "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            )),
            packing: Packing::TarGz { folder: "speech_commands_v0.02", bare: true },
        }],
    ),
    (
        &["fsdd"],
        &[Archive {
            url: "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            file: "free-spoken-digit-dataset-1.0.9.tar.gz",
            size: None,
            sum: None,
            packing: Packing::TarGz { folder: "free-spoken-digit-dataset-1.0.9", bare: false },
        }],
    ),
];

const MNIST: Packing = Packing::Plain { folder: "mnist" };
const FASHION_MNIST: Packing = Packing::Plain { folder: "fashion-mnist" };

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::tasks::TASKS;

    /// A task that is added is looked for here; `folder` is what people bring themselves.
    #[test]
    fn every_task_has_its_archives() {
        for task in TASKS.iter().filter(|task| task.name != "folder") {
            assert!(!archives(task.name).is_empty(), "{}", task.name);
        }
        assert!(archives("folder").is_empty());
    }

    #[test]
    fn data_sets_with_files_of_the_same_names_are_found_in_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["smnist", "fashion-mnist"] {
            let task = crate::tasks::find(name).unwrap();
            assert!(!(task.is_there)(dir.path()), "{name}");
            for Archive { file, packing, .. } in archives(name) {
                let Packing::Plain { folder } = packing else { panic!("{name}: {packing:?}") };
                fs::create_dir_all(dir.path().join(folder)).unwrap();
                fs::write(dir.path().join(folder).join(file), "").unwrap();
            }
            assert!((task.is_there)(dir.path()), "{name}");
        }
    }

    #[test]
    fn names_are_those_of_the_addresses_and_sums_are_whole() {
        for (tasks, archives) in TABLE {
            let names: BTreeSet<&str> = archives.iter().map(|archive| archive.file).collect();
            assert_eq!(names.len(), archives.len(), "{tasks:?}: one file a name");
            for Archive { url, file, sum, .. } in *archives {
                let last = url.rsplit('/').next().unwrap();
                assert!(file.ends_with(last.trim_start_matches('v')), "{file} of {url}");
                match sum {
                    Some(Sum::Md5(hex)) => assert_eq!(hex.len(), 32, "{file}"),
                    Some(Sum::Sha256(hex)) => assert_eq!(hex.len(), 64, "{file}"),
                    None => {}
                }
            }
        }
    }
}
