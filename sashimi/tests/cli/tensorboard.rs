//! What TensorBoard has of a run.

use crate::binary::{DIGITS, set, succeed, train_tiny};
use crate::events::Events;

#[test]
fn what_is_generated_is_heard_and_seen_and_layers_are_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = train_tiny(folder.path(), DIGITS, 10);
    command.args(["--run-dir", "run"]);
    succeed(set(&mut command, &["train.eval_every=5", "data.cache=\"cache\""]));
    let events = Events::read(&folder.path().join("run"));

    // What is generated changes, a recording does not.
    for (kind, steps) in [("real", &[5][..]), ("generated", &[5, 10])] {
        let tag = format!("audio/{kind}/0");
        assert_eq!(events.steps(&tag), steps, "{tag}");
        assert_eq!(events.sounds(&tag)[0].sample_rate, 8000.0);
        assert_eq!(events.steps(&format!("spectrogram/{kind}/0")), steps);
    }
    let kernels = events.tags("kernel/");
    assert_eq!(kernels.len(), events.tags("dt/").len());
    for tag in &kernels {
        assert_eq!(events.steps(tag), [5, 10], "{tag}");
        let picture = events.pictures(tag)[0];
        assert!((256..=340).contains(&picture.width), "{tag}: {}", picture.width);
    }

    for tag in ["weight/norm", "update/norm", "memory/host_peak_mib"] {
        assert_eq!(events.steps(tag), [5, 10], "{tag}");
    }
    assert!(!events.tags("lr/").is_empty());
    let charts = events.charts();
    for name in ["loss", "bits_per_sample"] {
        let chart = (name.to_owned(), format!("^(train|val|test)/{name}$"));
        assert!(charts.contains(&chart), "{charts:?}");
    }
    let columns = events.hparams("experiment");
    let results = columns.get_experiment().get_metric_infos();
    assert!(results.iter().any(|info| info.get_name().get_tag() == "val/bits_per_sample"));
}
