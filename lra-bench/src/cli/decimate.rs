//! Evaluation at another sampling rate than the one that a run was trained at.

use anyhow::Result;
use program::exit::usage;
use toml::Value;

use crate::experiment::Experiment;

/// The setting: every n-th sample is kept.
const EVERY: &str = "every";

/// Sets the decimation factor of the data and returns it: `every`, or where that is `None` and the
/// task is about audio, `rate`, the step of the model; relative to what was trained on. So `--rate 2`
/// alone is half the sampling rate for model and data, and `--rate 1 --every 2` shows what becomes of
/// the model when only the data changes.
///
/// # Errors
/// If the task's data has no sampling rate to change, or `rate` is no number of samples.
pub(super) fn decimate(
    experiment: &mut Experiment,
    rate: f64,
    every: Option<usize>,
) -> Result<usize> {
    let task = experiment.task()?;
    let is_audio = task.has_sample_rate;
    let every = match every {
        Some(0) => return Err(usage("--every is 0; it must be at least 1")),
        Some(every) if every > 1 && !is_audio => {
            return Err(usage(format!(
                "--every {every} is for audio; {} has no samples to leave out",
                task.name
            )));
        }
        Some(every) => every,
        None if !is_audio || rate == 1.0 => 1,
        None if rate.fract() == 0.0 => rate as usize,
        None => {
            return Err(usage(format!(
                "--rate {rate} is no whole number of samples to go on by; say which samples the \
                 data keeps with --every K (1 for all)"
            )));
        }
    };
    if every > 1 {
        let before = experiment.data.get(EVERY).and_then(Value::as_integer).unwrap_or(1);
        let after = before.saturating_mul(every as i64);
        experiment.data.insert(EVERY.to_owned(), after.into());
    }
    Ok(every)
}

#[cfg(test)]
mod tests {
    use datasets::tasks;

    use super::*;
    use crate::experiment::Preset;

    fn decimated(task: &str, set: &[&str], rate: f64, every: Option<usize>) -> Result<Option<i64>> {
        let overrides: Vec<_> = set.iter().map(ToString::to_string).collect();
        let task = tasks::find(task).unwrap();
        let mut experiment = Experiment::preset(task, Preset::Paper, &overrides).unwrap().value;
        decimate(&mut experiment, rate, every)?;
        Ok(experiment.data.get(EVERY).and_then(Value::as_integer))
    }

    #[test]
    fn the_rate_of_audio_decides_which_samples_are_kept_unless_it_is_said() {
        let audio = |rate, every| decimated("speech-commands", &[], rate, every);
        assert_eq!(audio(1.0, None).unwrap(), Some(1));
        assert_eq!(audio(2.0, None).unwrap(), Some(2));
        assert_eq!(audio(1.0, Some(2)).unwrap(), Some(2));
        assert_eq!(audio(2.0, Some(1)).unwrap(), Some(1));
        assert!(audio(1.5, None).unwrap_err().to_string().contains("--every K"));
        assert_eq!(audio(1.5, Some(3)).unwrap(), Some(3));
        assert!(audio(1.0, Some(0)).is_err());
        // Relative to what was trained on.
        assert_eq!(decimated("fsdd", &["data.every=2"], 2.0, None).unwrap(), Some(4));
    }

    #[test]
    fn other_tasks_change_the_model_alone() {
        assert_eq!(decimated("image", &[], 2.0, None).unwrap(), None);
        assert!(decimated("image", &[], 2.0, Some(2)).unwrap_err().to_string().contains("audio"));
    }
}
