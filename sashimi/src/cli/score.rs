//! `score`: how likely a run's model finds given files.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;
use program::exit::{Exit, describe};
use program::findings::Findings;
use program::interrupt;
use program::output::{note, say};
use serde_json::json;
use training::device::DeviceRequest;
use training::run::Run;

use super::load;
use crate::data::batch::CodeBatch;
use crate::data::file;
use crate::experiment::Experiment;

/// Arguments of `score`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    run: String,
    /// Audio files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The first damaged file ends it; without this the others are scored first
    #[arg(long)]
    strict: bool,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let run: Run<Experiment> = Run::open(&args.run)?;
    let (model, _) = load(&run, args.device.choose()?.announce())?;
    let model = model.in_segments(&run.experiment);
    let mut findings = Findings::default();
    let mut skipped = 0;
    for file in &args.files {
        if interrupt::requested() {
            return Ok(Exit::Stopped);
        }
        let codes = match file::codes(file, &run.experiment.data, &mut findings) {
            Ok(codes) => codes,
            Err(error) if !args.strict => {
                note(format_args!("skipped: {}", describe(&error)));
                skipped += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let samples = codes.len();
        let nats = f64::try_from(model.nll(&CodeBatch::new(&[codes]))?)?;
        let bits = nats / std::f64::consts::LN_2 / samples as f64;
        let name = file.display().to_string();
        if args.json {
            say(json!({"file": name, "bits_per_sample": bits, "count": samples}))?;
        } else {
            say(format_args!("{bits:.4}  {name}"))?;
        }
    }
    findings.tell(false)?;
    let count = args.files.len();
    ensure!(skipped == 0, "{skipped} of {count} files could not be scored; the reasons are above");
    Ok(Exit::Done)
}
