//! Time of a training step of SaShiMi by two processes: see `lra-bench/benches/support/processes.rs`.
//!
//! ```text
//! cargo bench -p sashimi --bench audio_processes --profile dev [-- [--quick] [--json FILE] [--out DIR] [FILTER]]
//! ```

#[path = "../../lra-bench/benches/support/processes.rs"]
mod processes;

use processes::Model;

const MODELS: &[Model] = &[Model {
    name: "sashimi-small",
    samples: 4,
    arguments: &["--data", concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/spoken-digits")],
}];

fn main() -> anyhow::Result<()> {
    processes::main("audio_processes", env!("CARGO_BIN_EXE_sashimi"), MODELS)
}
