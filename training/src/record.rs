//! `run.json` in a run's folder: how the run came about. Each session, of training anew or of going
//! on, is an entry: its command, place and time, machine, versions, data, and what was changed.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use loader::Dataset;
use program::exit::describe;
use program::files;
use program::machine;
use program::output::note;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Device;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::device;
use crate::trainer::Splits;

const FILE: &str = "run.json";

/// The sessions of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// From the first to the newest.
    pub sessions: Vec<Session>,
}

/// Training from one start of the program to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The command line.
    pub command: Vec<String>,
    /// The folder that it was called in.
    pub folder: String,
    /// The commit that is checked out there, if one is.
    pub commit: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Name of the machine.
    pub host: String,
    /// Its processor.
    pub cpu: String,
    /// How many threads run side by side on it.
    pub cores: usize,
    /// Where the model was.
    pub device: String,
    /// How many processes trained it together.
    #[serde(default = "one")]
    pub processes: usize,
    /// What was trained on.
    pub data: Data,
    /// Settings that are not as they were in the checkpoint.
    pub changes: Vec<String>,
    /// Steps made before.
    pub from_step: u64,
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// How it ended; none while it runs, or where it was killed.
    pub end: Option<End>,
}

/// Of records that do not say.
fn one() -> usize {
    1
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub time: String,
    /// Steps made in all.
    pub step: u64,
    /// `finished`, `interrupted`, or the error.
    pub outcome: String,
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Data {
    /// In words.
    pub origin: String,
    /// Samples to train on, to validate and to test.
    pub samples: [usize; 3],
    /// The same for the same data: a hash of the numbers of samples and of some of them.
    pub fingerprint: String,
}

/// Samples of each split that a fingerprint is taken of.
const SAMPLES: usize = 16;

impl Data {
    /// The data of `splits`, which came from `origin`; `bytes` are the contents of a batch.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn new<B: Send + 'static>(
        origin: &str,
        splits: &Splits<B>,
        bytes: impl Fn(&B) -> Vec<u8>,
    ) -> Result<Self> {
        let mut hash = Sha256::new();
        let all: [Option<&dyn Dataset<Batch = B>>; 3] =
            [Some(&*splits.train), splits.val.as_deref(), splits.test.as_deref()];
        for split in all.into_iter().flatten() {
            let count = split.len();
            hash.update((count as u64).to_le_bytes());
            let shown = count.min(SAMPLES);
            for number in 0..shown {
                hash.update(bytes(&split.batch(&[number * count / shown])?));
            }
        }
        Ok(Self {
            origin: origin.to_owned(),
            samples: all.map(|split| split.map_or(0, Dataset::len)),
            fingerprint: format!("{:x}", hash.finalize())[..16].to_owned(),
        })
    }
}

impl Session {
    /// A session that begins now, after `from_step` steps.
    pub fn begin(
        device: Device,
        processes: usize,
        data: Data,
        changes: Vec<String>,
        from_step: u64,
    ) -> Self {
        let folder = env::current_dir().unwrap_or_default();
        Self {
            command: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            folder: folder.to_string_lossy().into_owned(),
            commit: commit(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: device::libtorch_version(),
            host: machine::host(),
            cpu: machine::cpu(),
            cores: machine::cores(),
            device: device::name(device),
            processes,
            data,
            changes,
            from_step,
            started: now(),
            end: None,
        }
    }
}

impl Record {
    /// The record of the run in the folder `run`; empty where there is none yet.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// The program that trained the run in the folder `run` last, if that is known.
    pub(crate) fn program(run: &Path) -> Option<String> {
        let record = Self::read(run).ok()?;
        let command = record.sessions.last()?.command.first()?;
        Some(Path::new(command).file_stem()?.to_string_lossy().into_owned())
    }

    /// Adds a session to the record of the run in the folder `run`.
    pub(crate) fn begin(run: &Path, session: Session) {
        let record = Self::read(run).unwrap_or_else(|error| {
            note(format_args!("warning: {FILE} is begun anew: {}", describe(&error)));
            Self::default()
        });
        let Self { mut sessions } = record;
        sessions.push(session);
        Self { sessions }.write(run);
    }

    /// Notes how the newest session ended.
    pub(crate) fn end(run: &Path, step: u64, outcome: &str) {
        let Ok(mut record) = Self::read(run) else { return };
        if let Some(session) = record.sessions.last_mut() {
            session.end = Some(End { time: now(), step, outcome: outcome.to_owned() });
            record.write(run);
        }
    }

    /// A run is worth more than its record.
    fn write(&self, run: &Path) {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        if let Err(error) = files::write(&run.join(FILE), &text) {
            note(format_args!("warning: not recorded: {}", describe(&error)));
        }
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// What is checked out in the current folder, if Git is there and knows.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
