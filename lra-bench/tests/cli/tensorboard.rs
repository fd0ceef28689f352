//! What TensorBoard has of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binary::{mnist, succeed, train_small};
use crate::events::Events;
use crate::text_files;

/// Training of a tiny model for 6 steps, each of which is logged, with two evaluations.
fn train(folder: &Path, task: &str, data: &Path, settings: &[&str]) -> Command {
    let tiny = ["model.d_model=8", "model.n_layers=1", "model.layer.ssm.d_state=8"];
    let often = ["train.batch_size=4", "train.log_every=1", "train.eval_every=3"];
    let warmup = ["train.schedule.warmup_steps=2", "train.workers=1"];
    let settings = [&tiny[..], &often, &warmup, settings].concat();
    let mut command = train_small(folder, task, &settings);
    command.args(["--run-dir", "run", "--max-steps", "6", "--data"]).arg(data);
    command
}

fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sashimi/corpus/spoken-digits")
}

/// Rows of a table in Markdown, without its head.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().skip(2);
    lines.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn figures_of_a_run_are_curves_charts_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&mut train(folder.path(), "smnist", &mnist(), &[]));
    let run = folder.path().join("run");
    let events = Events::read(&run);

    // By group: the parameters of the SSM have a rate of their own.
    let groups = events.tags("lr/");
    assert!(groups.iter().any(|tag| tag.contains("dt")), "{groups:?}");
    // Both follow the schedule.
    let (rates, own) = (events.scalars("lr"), events.scalars(groups[0]));
    assert_eq!((rates.len(), own.len()), (6, 6));
    let both = rates.iter().zip(&own).filter(|((_, lr), _)| *lr > 0.0);
    let ratios: Vec<f32> = both.map(|((_, lr), (_, of_group))| of_group / lr).collect();
    assert!(ratios[0] != 1.0 && ratios.iter().all(|r| (r - ratios[0]).abs() < 1e-4), "{ratios:?}");
    // No weights come further than an update takes them.
    let [weight, update] = ["weight/norm", "update/norm"].map(|tag| events.scalars(tag));
    assert_eq!((weight.len(), update.len()), (6, 6));
    for step in 1..6 {
        let moved = (weight[step].1 - weight[step - 1].1).abs();
        assert!(update[step].1 > 0.0 && moved <= 1.001 * update[step].1, "{moved} {update:?}");
    }
    for tag in ["memory/peak_mib", "memory/host_peak_mib", "grad/norm", "throughput/steps_per_s"] {
        assert_eq!(events.steps(tag), [1, 2, 3, 4, 5, 6], "{tag}");
    }
    // The same figures are in the file for other tools.
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    for key in ["loss", "accuracy", "lr", "grad_norm", "weight_norm", "update_norm", "peak_mib"] {
        assert!(first[key].is_f64(), "{key}: {first}");
    }

    let charts: BTreeMap<_, _> = events.charts().into_iter().collect();
    assert_eq!(charts["loss"], "^(train|val|test)/loss$");
    assert_eq!(charts["accuracy"], "^(train|val|test)/accuracy$");
    assert!(
        charts.contains_key("learning rates") && charts.contains_key("weight norm"),
        "{charts:?}"
    );

    let experiment = events.hparams("experiment");
    let experiment = experiment.get_experiment();
    let columns: Vec<_> = experiment.get_hparam_infos().iter().map(|info| &info.name).collect();
    assert!((10..=20).contains(&columns.len()) && columns[0] == "task", "{columns:?}");
    let results = experiment.get_metric_infos();
    assert_eq!(results[0].get_name().get_tag(), "val/accuracy");
    assert!(results.len() < 8, "{results:?}");
    let session = events.hparams("session_start_info");
    let settings = session.get_session_start_info().get_hparams();
    assert_eq!(settings["task"].get_string_value(), "smnist");
    assert_eq!(settings["model.d_model"].get_number_value(), 8.0);
}

#[test]
fn pictures_are_shown_with_label_and_guess() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&mut train(folder.path(), "smnist", &mnist(), &[]));
    let events = Events::read(&folder.path().join("run"));
    for tag in ["predictions/sheet", "predictions/table", "confusion"] {
        assert_eq!(events.steps(tag), [3, 6], "{tag}");
    }
    // Eight, and the same ones each time.
    let tables = events.texts("predictions/table");
    let [first, last] = [0, 1].map(|number| rows(&tables[number]));
    assert_eq!(first.len(), 8);
    for (first, last) in first.iter().zip(&last) {
        assert_eq!((first.len(), &first[..2]), (4, &last[..2]));
        assert!(first[3].ends_with('%'), "{first:?}");
    }
    // Of a size that a browser shows well.
    for tag in ["predictions/sheet", "confusion"] {
        let picture = events.pictures(tag)[0];
        assert!((200..=340).contains(&picture.width) && picture.height < 800, "{tag}");
        assert_eq!(picture.colorspace, 3);
    }
    assert!(!events.tags("kernel/").is_empty() && events.tags("audio/").is_empty());
}

#[test]
fn sounds_are_heard_and_seen_with_label_and_guess() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["data.split_by=\"index\"", "data.cache=\"cache\""];
    succeed(&mut train(folder.path(), "fsdd", &digits(), &settings));
    let events = Events::read(&folder.path().join("run"));
    assert_eq!(events.steps("predictions/sheet"), [3, 6]);
    let tables = events.texts("predictions/table");
    let rows = rows(&tables[0]);
    assert_eq!(rows.len(), events.tags("audio/real/").len());
    for (number, row) in rows.iter().enumerate() {
        // `7_george_5.wav` is a seven; a recording does not change, so it is kept once.
        let sounds = events.sounds(&format!("audio/real/{number}"));
        let [sound] = sounds[..] else { panic!("{}", sounds.len()) };
        assert_eq!(sound.sample_rate, 8000.0);
        let name = row[0].replace("&#95;", "_").replace("&#46;", ".");
        let name = name.strip_prefix(&format!("{number}: ")).unwrap();
        let bytes = fs::read(digits().join(name)).unwrap();
        let samples = (bytes.len() - 44) / 2;
        assert!(sound.length_frames as usize <= samples && sound.length_frames > 500, "{name}");
        assert!(!row[1].is_empty() && row[3].ends_with('%'), "{row:?}");
    }
}

#[test]
fn texts_are_shown_with_label_and_guess() {
    let folder = tempfile::tempdir().unwrap();
    text_files::files("listops", &folder.path().join("data"));
    let settings = ["data.cache=\"cache\""];
    succeed(&mut train(folder.path(), "listops", &folder.path().join("data"), &settings));
    let events = Events::read(&folder.path().join("run"));
    let tables = events.texts("predictions/table");
    assert_eq!(events.steps("predictions/table"), [3, 6]);
    let rows = rows(&tables[0]);
    assert_eq!(rows.len(), 8);
    let text = rows[0][4].replace("&#91;", "[").replace("&#93;", "]");
    assert!(text.starts_with("[SM ") && text.contains("[MIN 9 8 ]"), "{text}");
    assert!(events.tags("predictions/sheet").is_empty());
}

#[test]
fn long_sequences_are_shown_as_strips() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["up", "down"] {
        for number in 0..15 {
            let value = |at: usize| if class == "up" { at } else { 4000 - at };
            let lines = (0..4000 + number).map(|at| format!("{}\n", value(at.min(4000))));
            text_files::write(
                &folder.path().join(format!("data/{class}/{number}.csv")),
                &lines.collect::<String>(),
            );
        }
    }
    succeed(&mut train(folder.path(), "folder", &folder.path().join("data"), &[]));
    let events = Events::read(&folder.path().join("run"));
    let sheet = events.pictures("predictions/sheet")[0];
    // Rows below each other, as wide as a card.
    assert_eq!(sheet.width, 340);
    let examples = rows(&events.texts("predictions/table")[0]).len() as i32;
    assert!((100..200).contains(&(sheet.height / examples)), "{} {examples}", sheet.height);
}
