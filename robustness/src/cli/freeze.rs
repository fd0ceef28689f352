//! `freeze`: changed examples, kept as an evaluation set.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::exit::{Exit, usage};
use program::files::CACHE;
use program::interrupt;
use program::output::note;
use training::device::DeviceRequest;
use transformations::Severity;

use crate::checklist::Test;
use crate::evaluation_set::{EvaluationSet, describe};
use crate::predictions::Predictions;
use crate::runner::Runner;
use crate::subject;
use crate::suite::{Preset, Transformation};

/// Arguments of `freeze`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// A run whose data the examples are of
    #[arg(value_name = "RUN")]
    run: String,
    /// Transformation that changes them; left out, they stay as they are
    #[arg(long, value_name = "NAME")]
    transformation: Option<String>,
    /// Its severity, 1 to 5
    #[arg(long, value_name = "N", default_value_t = 3)]
    severity: u8,
    /// What is asked: mft (the label is right), inv (the answer stays), dir (confidence does not grow)
    #[arg(long, value_name = "TEST", default_value = "mft")]
    test: Test,
    /// Number of examples that are drawn
    #[arg(long, value_name = "N", default_value_t = 200)]
    examples: usize,
    /// Seed of the draw and the changes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Name of the set in reports; the folder's where it is missing
    #[arg(long)]
    name: Option<String>,
    /// Where the data is, if not where the run was trained on it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the set
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    interrupt::install();
    if args.examples == 0 {
        return Err(usage("--examples must be at least 1"));
    }
    if args.test != Test::Mft && args.transformation.is_none() {
        return Err(usage(format!(
            "a test of {} compares what was changed with what was there: name a --transformation",
            args.test
        )));
    }
    let severity = Severity::new(args.severity).map_err(usage)?;
    let subject =
        subject::open(&args.run, args.data.as_ref(), DeviceRequest::Cpu.choose()?.announce())?;
    let about = subject.about();
    let mut suite = Preset::Full.suite(about.kind, subject.background_noise());
    suite.seed = args.seed;
    suite.examples = Some(args.examples);
    suite.subpopulation.clear();
    suite.transformation.clear();
    suite.attack.clear();
    if let Some(name) = &args.transformation {
        let severities = vec![severity];
        suite.transformation.push(Transformation { name: name.clone(), severities, rate: false });
    }
    suite.validate(about.kind)?;
    let kept = Predictions::of(CACHE.as_ref(), &about.model);
    let (runner, drawn) = Runner::new(&*subject, suite, None, kept, false)?;
    let (members, failed, unchanged) = runner.changed(args.transformation.as_deref(), severity)?;
    let name =
        args.name.clone().or_else(|| Some(args.out.file_name()?.to_string_lossy().into_owned()));
    let step =
        args.transformation.iter().map(|name| format!("{name} {severity}, seed {}", args.seed));
    let lineage = [about.data.clone(), drawn].into_iter().chain(step).collect();
    let description = describe(name.unwrap_or_default(), about.kind, args.test, lineage);
    let count = members.len();
    EvaluationSet { description, members }.write(&args.out, &about.classes)?;
    if failed > 0 || unchanged > 0 {
        note(format_args!(
            "left out: {failed} that could not be changed, {unchanged} with nothing to change"
        ));
    }
    note(format_args!("{count} examples in {}", args.out.display()));
    Ok(Exit::Done)
}
