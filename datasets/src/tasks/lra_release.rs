//! The release of the Long Range Arena (Tay et al. 2021), one archive for several tasks.

use crate::fetch::{Archive, Packing};

/// No checksum is published for it.
pub(super) const ARCHIVES: &[Archive] = &[Archive {
    url: "https://storage.googleapis.com/long-range-arena/lra_release.gz",
    file: "lra_release.gz",
    size: None, // about 7.7 GB
    checksum: None,
    packing: Packing::TarGz { folder: "lra_release", bare: false },
}];
