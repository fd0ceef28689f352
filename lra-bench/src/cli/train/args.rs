//! Arguments of `train`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use training::args::TrainArgs;
use training::run::Experiment as _;

use crate::experiment::Experiment;

/// Arguments of `train`.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Args {
    /// What to train on; `lra-bench tasks` lists the names
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    pub(super) task: Option<String>,
    /// Folder with the task's files in their official layout
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// One run with each of these seeds, e.g. 1,2,3, and their mean and standard deviation
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with_all = ["seed", "resume"])]
    pub(super) seeds: Vec<u64>,
    #[command(flatten)]
    pub(super) train: TrainArgs,
}

impl Args {
    /// Flags that stand for settings; then checks these.
    pub(super) fn apply(&self, experiment: &mut Experiment) -> Result<()> {
        if let Some(data) = &self.data {
            experiment.set_data_dir(data);
        }
        if let Some(cache) = &self.train.data.cache {
            experiment.set_cache(cache);
        }
        self.train.apply(&mut experiment.train);
        experiment.validate()
    }
}
