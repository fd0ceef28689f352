//! `metrics.jsonl` in a run's folder: each figure that was logged or evaluated, one JSON object a line,
//! for whoever plots or compares without TensorBoard.
//!
//! ```text
//! {"step":50,"split":"train","time":1700000000.0,"epoch":1,"loss":2.1,"accuracy":0.25,"lr":0.001,...}
//! {"step":100,"split":"val","time":1700000009.0,"loss":1.9,"accuracy":0.31,"samples":2000,...}
//! ```
//!
//! What is not finite is null.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use program::files;
use serde_json::{Map, Value, json};

const FILE: &str = "metrics.jsonl";

/// The file, open for more.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// The file of the run in `folder`. Of a run that goes on after `step`, lines of later steps are
    /// void and removed, and evaluations of that step too unless it `is_evaluated`.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open(folder: &Path, step: u64, is_evaluated: bool) -> Result<Self> {
        let path = folder.join(FILE);
        let text = if path.exists() {
            // A damaged line is left out; it is no reason not to go on.
            let bytes = fs::read(&path).map_err(files::cannot("read", &path))?;
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            String::new()
        };
        let is_kept = |line: &&str| {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            let is_train = value["split"] == "train";
            value["step"]
                .as_u64()
                .is_some_and(|at| at < step || at == step && step > 0 && (is_train || is_evaluated))
        };
        let kept: String = text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        if kept != text {
            files::write(&path, kept.as_bytes())?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(files::cannot("write", &path))?;
        Ok(Self { path, file })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, step: u64, split: &str, figures: &[(&str, f64)]) -> Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = Map::from_iter([
            ("step".to_owned(), json!(step)),
            ("split".to_owned(), json!(split)),
            ("time".to_owned(), json!(time.as_secs_f64())),
        ]);
        line.extend(figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let text = format!("{}\n", Value::Object(line));
        self.file.write_all(text.as_bytes()).map_err(files::cannot("write", &self.path))
    }
}

/// Steps and values of a figure on a split, of the run in `folder`; what is not finite is left out, and
/// there is nothing where the run has no such file.
///
/// # Errors
/// If the file cannot be read.
pub fn read(folder: &Path, split: &str, figure: &str) -> Result<Vec<(u64, f64)>> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(files::cannot("read", &path))?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_split = lines.filter(|line| line["split"] == split);
    Ok(of_split.filter_map(|line| Some((line["step"].as_u64()?, line[figure].as_f64()?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_void_goes_when_a_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut file = MetricsFile::open(path, 0, false).unwrap();
        for (step, split) in [(1, "train"), (2, "train"), (2, "val"), (3, "train")] {
            file.add(step, split, &[("loss", 0.1), ("lr", f64::NAN)]).unwrap();
        }
        let whole = fs::read(path.join(FILE)).unwrap();
        fs::write(path.join(FILE), [&whole[..], b"{\"step\":4,\"sp\xff"].concat()).unwrap();
        let steps = |step, is_evaluated| {
            MetricsFile::open(path, step, is_evaluated).unwrap();
            let text = fs::read_to_string(path.join(FILE)).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.map(|line| format!("{} {}", line["split"], line["step"])).collect::<Vec<_>>()
        };
        assert_eq!(steps(3, false), ["\"train\" 1", "\"train\" 2", "\"val\" 2", "\"train\" 3"]);
        assert_eq!(steps(2, true), ["\"train\" 1", "\"train\" 2", "\"val\" 2"]);
        assert_eq!(steps(2, false), ["\"train\" 1", "\"train\" 2"]);
        assert!(steps(0, false).is_empty());
    }
}
