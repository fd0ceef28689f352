//! `benchmark`: speed and memory of the models by sequence length.

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, value_parser};
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{say, say_all};
use program::progress::Progress;
use serde_json::json;
use tch::Device;
use training::device::DeviceRequest;

use crate::benchmark::entry::{Entry, Model};
use crate::benchmark::work::measure;
use crate::benchmark::{session, table};

/// Arguments of `benchmark`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Models to compare, the others with the first
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "s4,s4d,transformer,linear-attention,lstm"
    )]
    models: Vec<Model>,
    /// Positions a sequence
    #[arg(
        long,
        value_name = "L",
        value_delimiter = ',',
        default_value = "1024,2048,4096,8192,16384",
        value_parser = value_parser!(i64).range(2..)
    )]
    lengths: Vec<i64>,
    /// Sequences per step
    #[arg(long, value_name = "B", default_value_t = 1, value_parser = value_parser!(i64).range(1..))]
    batch: i64,
    /// Channels
    #[arg(long, value_name = "H", default_value_t = 256)]
    d_model: i64,
    /// Layers
    #[arg(long, value_name = "N", default_value_t = 4)]
    n_layers: i64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// About how long to measure each model at each length; what needs longer for one training step
    /// is skipped
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds_per_entry: f64,
    /// One JSON object on standard output
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// A Markdown table on standard output
    #[arg(long)]
    markdown: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
    /// Measure one entry in this process
    #[arg(long, value_name = "JSON", hide = true)]
    entry: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    if let Some(entry) = &args.entry {
        let entry: Entry = serde_json::from_str(entry).context("--entry")?;
        let device = entry.device.parse::<DeviceRequest>()?.choose()?.device;
        say(serde_json::to_string(&measure(&entry, device)?)?)?;
        return Ok(Exit::Done);
    }
    let seconds = args.seconds_per_entry;
    if !(seconds.is_finite() && seconds > 0.0) {
        return Err(usage(format!("--seconds-per-entry must be positive, got {seconds}")));
    }
    interrupt::install();
    let device = args.device.choose()?.announce();
    let entries = entries(args, &name(device))?;
    measure::warn_of_load();
    let mut done = 0;
    let progress = Progress::new(!args.no_progress, 0, entries.len() as u64);
    let rows = session::run(entries, |row| {
        done += 1;
        progress.line(&table::line(row));
        progress.step(done);
    });
    progress.finish();

    let threads = tch::get_num_threads();
    if args.json {
        let object = json!({
            "device": name(device),
            "threads": threads,
            "batch": args.batch,
            "d_model": args.d_model,
            "n_layers": args.n_layers,
            "entries": table::json(&rows),
        });
        say(object)?;
        return Ok(exit());
    }
    say(format_args!(
        "{}, {threads} threads; batch {}, {} layers of {} channels, float32\n",
        name(device),
        args.batch,
        args.n_layers,
        args.d_model
    ))?;
    say_all(if args.markdown { table::markdown(&rows) } else { table::text(&rows) })?;
    Ok(exit())
}

fn exit() -> Exit {
    if interrupt::requested() { Exit::Stopped } else { Exit::Done }
}

/// Model by model, the lengths of each in ascending order.
fn entries(args: &Args, device: &str) -> Result<Vec<Entry>> {
    let mut lengths = args.lengths.clone();
    lengths.sort_unstable();
    lengths.dedup();
    let mut entries = Vec::new();
    for &model in &args.models {
        let config = model.config(args.d_model, args.n_layers);
        config.validate().with_context(|| format!("{} with --d-model", model.name()))?;
        entries.extend(lengths.iter().map(|&length| Entry {
            model,
            length,
            batch: args.batch,
            d_model: args.d_model,
            n_layers: args.n_layers,
            device: device.to_owned(),
            seconds: args.seconds_per_entry,
        }));
    }
    Ok(entries)
}

/// As `--device` has it.
fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}
