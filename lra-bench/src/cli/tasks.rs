//! `tasks`: what there is.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use datasets::metric::Metric;
use datasets::provenance::Published;
use datasets::tasks::TASKS;
use program::exit::Exit;
use program::output::say;
use toml::Table;

/// Arguments of `tasks`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder to look for official files in, itself or below the task's name
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    say(format_args!(
        "{:<15} {:>7} {:>8} {:>7}  {:<8} {:<50} source",
        "task", "length", "classes", "paper", "data", "what"
    ))?;
    for task in TASKS {
        let there = [args.data.clone(), args.data.join(task.name)]
            .iter()
            .any(|folder| (task.is_there)(folder));
        say(format_args!(
            "{:<15} {:>7} {:>8} {:>7}  {:<8} {:<50} {}",
            task.name,
            or_as_the_data(task.length),
            or_as_the_data(task.classes),
            task.published.zip((task.metric)(&Table::new())).map_or_else(String::new, published),
            if there { "there" } else { "missing" },
            task.about,
            task.source
        ))?;
    }
    Ok(Exit::Done)
}

fn published((published, metric): (Published, Metric)) -> String {
    metric.show(metric.from_unit(published.figure))
}

/// A number that the task decides, or a dash where its data does.
fn or_as_the_data(number: Option<usize>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
