//! `knn`: what the features of a frozen model are worth, by neighbours and by linear probes.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;
use datasets::shape::Target;
use datasets::split::Split;
use datasets::tasks::{self, Splits};
use program::exit::{Exit, usage};
use program::interrupt;
use program::output::{note, say, say_all};
use serde::Serialize;
use serde_json::json;
use training::args::DataArgs;
use training::checkpoint::Checkpoint;
use training::device::DeviceRequest;
use training::run_dir;

use super::train::place;
use crate::base;
use crate::experiment::{Experiment, Preset};
use crate::features::linear::probe;
use crate::features::{Features, Frozen, neighbours, raw};

/// Arguments of `knn`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder of a run, its name below runs/
    #[arg(value_name = "RUN")]
    run: String,
    /// Whose examples; read as in its preset for a CPU, or as in the run where that is of the task
    #[arg(long, value_name = "NAME")]
    task: String,
    /// Neighbours that vote
    #[arg(long, value_name = "K", default_value_t = 20)]
    k: i64,
    /// Know this share of the training examples, of each class alike
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    fraction: f64,
    /// Folder with the task's files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Change one setting of the data, e.g. data.every=4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// How data is read
    #[command(flatten)]
    reading: DataArgs,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Plain lines instead of a progress bar
    #[arg(long)]
    no_progress: bool,
}

/// What classes are told apart by, and how well.
#[derive(Debug, Serialize)]
struct Row {
    features: String,
    width: i64,
    knn: f64,
    probe: f64,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    let network = base::network(&args.run)?;
    let checkpoint = Checkpoint::load_best(&run_dir::find(run_dir::root(), &args.run)?)?;
    let weights = checkpoint.whole()?;
    let task = tasks::find(&args.task)?;
    let mut experiment = Experiment::preset(task, Preset::Small, &args.overrides)?.value;
    base::prepare(&args.run, &mut experiment, &args.overrides)?;
    place(args.data.as_deref(), args.reading.cache.as_deref(), &mut experiment);
    let share = args.fraction;
    if !(share > 0.0 && share <= 1.0) {
        return Err(usage(format!("--fraction {share}: it is above 0 and at most 1")));
    }
    let Splits { shape, medium, origin, findings, train, val, test, .. } =
        experiment.open(!args.no_progress)?;
    note(format_args!("data: {origin}"));
    findings.tell(args.reading.strict)?;
    let Target::Classes(names) = &shape.target else {
        return Err(usage(format!(
            "neighbours vote on classes of single sequences; {} asks for something else",
            task.name
        )));
    };
    let classes = names.len() as i64;
    let train = if share < 1.0 { train.fraction(share, experiment.train.seed)? } else { train };
    ensure!(
        args.k >= 1 && args.k as usize <= train.len(),
        "--k is {}; there are 1 to {} neighbours",
        args.k,
        train.len()
    );
    let device = args.device.choose()?.announce();
    let row = |name: String, [train, val, test]: [&Features; 3]| -> Result<Row> {
        let knn = neighbours::accuracy(train, test, args.k, classes)?;
        let probe = probe(train, val, classes)?;
        Ok(Row { features: name, width: train.x.size()[1], knn, probe: probe.accuracy(test) })
    };
    let splits = [&train, &val, &test];
    let of_raw = |split: &&Split| raw(split, &medium, shape.input);
    let [a, b, c] = [of_raw(&splits[0])?, of_raw(&splits[1])?, of_raw(&splits[2])?];
    let mut rows = vec![row("raw input".to_owned(), [&a, &b, &c])?];
    let batch_size = experiment.train.eval_batch_size();
    for (name, weights) in [("untrained", None), ("", Some(&weights))] {
        let seed = experiment.train.seed;
        let frozen = Frozen::new(&network, shape.input, weights, seed, device)?;
        let of = |split: &Split| frozen.layers(split, batch_size, !args.no_progress);
        let (known, val, test) = (of(&train)?, of(&val)?, of(&test)?);
        let last = known.len() - 1;
        for (layer, ((known, val), test)) in known.iter().zip(&val).zip(&test).enumerate() {
            let place = match layer {
                0 => "embedding".to_owned(),
                _ => format!("layer {layer} of {last}"),
            };
            // Of the control the end is enough.
            if name.is_empty() || layer == last {
                let title = if name.is_empty() { place } else { format!("{name}, {place}") };
                rows.push(row(title, [known, val, test])?);
            }
        }
    }
    if args.json {
        say(json!({
            "run": args.run,
            "task": task.name,
            "k": args.k,
            "known": train.len(),
            "count": test.len(),
            "step": checkpoint.meta.state.step,
            "rows": rows,
        }))?;
        return Ok(Exit::Done);
    }
    let heading = format!("{}-NN", args.k);
    let mut text = format!("{:<28} {:>8} {:>8} {:>8}\n", "features", "numbers", heading, "probe");
    for Row { features, width, knn, probe } in &rows {
        let (knn, probe) = (100.0 * knn, 100.0 * probe);
        text += &format!("{features:<28} {width:>8} {knn:>7.2}% {probe:>7.2}%\n");
    }
    note(format_args!(
        "{} known examples, {} test examples of {}",
        train.len(),
        test.len(),
        task.name
    ));
    say_all(text)?;
    Ok(Exit::Done)
}
