//! `tasks`: what there is.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use training::exit::Exit;

use crate::tasks::TASKS;

/// Arguments of `tasks`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Folder to look for official files in, itself or below the task's name
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    println!(
        "{:<12} {:>7} {:>8} {:>7}  {:<8} {:<44} source",
        "task", "length", "classes", "paper", "data", "what"
    );
    for task in TASKS {
        let there = [args.data.clone(), args.data.join(task.name)]
            .iter()
            .any(|folder| (task.is_there)(folder));
        println!(
            "{:<12} {:>7} {:>8} {:>7}  {:<8} {:<44} {}",
            task.name,
            task.length,
            task.shape.classes,
            task.paper_accuracy.map_or_else(String::new, |percent| format!("{percent:.2}%")),
            if there { "there" } else { "missing" },
            task.about,
            task.source
        );
    }
    Ok(Exit::Done)
}
