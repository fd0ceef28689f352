//! Averaged weights in a whole run: what is evaluated, what is trained, and what is saved.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use program::config;
use training::checkpoint::Checkpoint;
use training::evaluate::{EvalOptions, evaluate};
use training::objective::Objective;
use training::run_dir::{best_checkpoint, last_checkpoint};
use training::summary::Summary;

use crate::perceptron::{
    CONFIG, Config, Mlp, Order, assert_same, assert_same_bits, run, run_well, stderr,
};

fn order(run: &Path, overrides: &[&str]) -> Order {
    let overrides = overrides.iter().map(|&text| text.to_owned()).collect();
    Order { run: run.to_owned(), overrides, ..Order::default() }
}

/// A run from start to end.
fn whole(path: PathBuf, overrides: &[&str]) -> PathBuf {
    run_well(&order(&path, overrides));
    path
}

fn last(run: &Path) -> Checkpoint {
    Checkpoint::load(&last_checkpoint(run)).unwrap()
}

fn best(run: &Path) -> Checkpoint {
    Checkpoint::load(&best_checkpoint(run)).unwrap()
}

#[test]
fn the_average_is_evaluated_and_training_does_not_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = last(&whole(folder.path().join("plain"), &[]));
    let path = whole(folder.path().join("averaged"), &["train.ema=0.9"]);
    let averaged = last(&path);
    assert_same_bits(&plain.model, &averaged.model, "model");
    assert_same_bits(&plain.optimizer, &averaged.optimizer, "optimizer");
    assert!(plain.ema.is_none());

    // The last evaluation, step 40, once more.
    let config = config::parse::<Config>("built in", CONFIG, &[]).unwrap().value;
    let loss_with = |weights| {
        let mut model = Mlp::new(&config, Order::default()).unwrap();
        model.params().load_state_dict(weights).unwrap();
        let options = EvalOptions { batch_size: 4, workers: 0, seed: 0 };
        let val = Arc::new(crate::perceptron::val());
        evaluate(&mut model, val, options, |_, _| {}).unwrap().unwrap().evaluation.loss
    };
    let evaluated = Summary::read(&path).unwrap().unwrap().val.unwrap().loss;
    assert_eq!(loss_with(averaged.ema.as_ref().unwrap()), evaluated);
    assert_ne!(loss_with(&averaged.model), evaluated);
}

#[test]
fn the_best_checkpoint_has_the_averaged_weights() {
    let folder = tempfile::tempdir().unwrap();
    // One evaluation, at the end.
    let path = whole(folder.path().join("run"), &["train.ema=0.9", "train.steps=12"]);
    let (best, last) = (best(&path), last(&path));
    assert_same_bits(&best.model, last.ema.as_ref().unwrap(), "best");
    assert!(best.ema.is_none());
    let first = |dict: &s4_core::state_dict::StateDict| dict.get("first.weight").unwrap().copy();
    assert_ne!(first(&best.model), first(&last.model));
}

#[test]
fn killed_or_interrupted_and_resumed_it_is_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let overrides = ["train.ema=0.9"];
    let whole = whole(folder.path().join("whole"), &overrides);
    let result = |run: &Path| {
        let summary = Summary::read(run).unwrap().unwrap();
        (summary.best.unwrap().value, summary.test.unwrap().loss)
    };
    // Two calls make a step, 12 steps an epoch, 8 calls an evaluation; steps 7, 14, ... are saved.
    // Interrupted, a run saves at once, so the weights must be back by then.
    let moments = [
        (8, "between the two halves of a step"),
        (30, "within the evaluation after the first epoch"),
        (60, "in the second epoch"),
        (115, "in the evaluation of the test split"),
    ];
    for (call, what) in moments {
        for interrupt in [false, true] {
            let what = format!("{what}, {}", if interrupt { "interrupted" } else { "killed" });
            let path = folder.path().join(format!("{call}-{interrupt}"));
            let fresh = order(&path, &overrides);
            let output = run(&match interrupt {
                true => Order { interrupt_at_call: Some(call), ..fresh },
                false => Order { kill_at_call: Some(call), ..fresh },
            });
            let code = interrupt.then_some(130);
            assert_eq!(output.status.code(), code, "{what}\n{}", stderr(&output));
            run_well(&Order { resume: true, ..order(&path, &[]) });
            assert_same(&last_checkpoint(&whole), &last_checkpoint(&path), &what);
            assert_same(&best_checkpoint(&whole), &best_checkpoint(&path), &what);
            assert_eq!(result(&whole), result(&path), "{what}");
        }
    }
}

#[test]
fn a_run_without_an_average_can_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let plain = whole(folder.path().join("plain"), &[]);
    let path = whole(folder.path().join("run"), &["train.steps=14"]);
    let output = run(&Order { resume: true, ..order(&path, &["train.steps=40", "train.ema=0.9"]) });
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("changed since the checkpoint: train.ema: unset -> 0.9"), "{text}");
    assert!(text.contains("the average starts from its weights"), "{text}");
    let last = last(&path);
    assert!(last.ema.is_some());
    assert_same_bits(&last.model, &self::last(&plain).model, "model");
}
