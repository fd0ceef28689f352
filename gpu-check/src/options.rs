//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use training::device::DeviceRequest;

use crate::parts::{self, PARTS, Part};

/// Check and time everything on a GPU.
///
/// Prints tables, and writes them and all figures to a folder. Each part runs in a process of its
/// own, for a limited time.
#[derive(Debug, Parser)]
#[command(name = "gpu-check", version)]
pub struct Options {
    /// cuda, cuda:N or cpu
    #[arg(long, default_value = "cuda")]
    pub device: DeviceRequest,
    /// Where gpu-check.json, gpu-check.md and what the parts leave behind go
    #[arg(long, value_name = "DIR", default_value = "gpu-check")]
    pub out: PathBuf,
    /// Only these parts: modes, launches, kernel, convolution, block, graph, tail, steps, train, parity
    #[arg(long, value_name = "PART,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Only rows whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub rows: String,
    /// Seconds that the programs train
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// Small sizes and few runs, to try it on a CPU
    #[arg(long)]
    pub quick: bool,
    /// The part that this process is to run
    #[arg(long, value_name = "PART", hide = true)]
    pub child: Option<String>,
}

impl Options {
    /// The parts that are wanted, in their order.
    pub fn parts(&self) -> Result<Vec<&'static Part>> {
        let wanted = self.only.iter().map(|name| parts::find(name)).collect::<Result<Vec<_>>>()?;
        let is_wanted =
            |part: &Part| wanted.is_empty() || wanted.iter().any(|one| one.name == part.name);
        Ok(PARTS.iter().filter(|part| is_wanted(part)).collect())
    }
}
