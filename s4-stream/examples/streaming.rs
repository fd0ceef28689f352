//! A trained classifier stepped without libtorch: after each value of a signal, what it takes the
//! signal for so far. The values come one a line, as the model was trained on them (pixels of
//! MNIST, say, from 0 to 1).
//!
//! ```sh
//! cargo run -p lra-bench -- --task smnist --set model.layer.bidirectional=false
//! cargo run -p s4-stream --example streaming -- runs/smnist/small-001 < values.txt
//! ```

use std::env;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use program::exit::{self, usage};
use program::output::say;
use s4_stream::Model;

/// Tells `seen` the likeliest class and its probability after each line of `values`.
pub fn follow(
    run: &Path,
    values: impl BufRead,
    mut seen: impl FnMut(usize, f32) -> Result<()>,
) -> Result<()> {
    let weights = run.join("checkpoints/best.safetensors");
    let model = Model::load_classifier(&run.join("config.toml"), &weights)?;
    let quantities: Vec<&str> = model.quantities().collect();
    ensure!(quantities.is_empty(), "the run gives values ({}), no classes", quantities.join(", "));
    let mut engine = model.engine(1)?;
    for line in values.lines() {
        let line = line?;
        let value = line.trim().parse().with_context(|| format!("`{line}` is not a number"))?;
        let logits = engine.step_values(&[value])?; // of the classes
        let likeliest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let class = likeliest.context("no classes")?;
        let sum: f32 = logits.iter().map(|logit| (logit - logits[class]).exp()).sum();
        seen(class, 1.0 / sum)?;
    }
    Ok(())
}

fn main() {
    exit::main_exit(|| -> Result<()> {
        let run = env::args_os().nth(1);
        let run = run.ok_or_else(|| usage("which run? streaming RUN < VALUES"))?;
        follow(Path::new(&run), io::stdin().lock(), |class, probability| {
            say(format_args!("{class} {probability:.3}"))
        })
    })
}
