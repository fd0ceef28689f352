//! Time of a training step of classifiers by two processes: see `support/processes.rs`.
//!
//! ```text
//! cargo bench -p lra-bench --bench processes --profile dev [-- [--quick] [--json FILE] [--out DIR] [FILTER]]
//! ```

#[path = "support/processes.rs"]
mod processes;

use processes::Model;

const MODELS: &[Model] = &[
    Model {
        name: "smnist-small",
        samples: 50,
        arguments: &[
            "--task",
            "smnist",
            "--data",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mnist"),
        ],
    },
    Model {
        name: "listops-small",
        samples: 32,
        arguments: &["--task", "listops", "--set", "data.count=400", "--set", "data.eval_count=20"],
    },
    Model {
        name: "pathfinder-small",
        samples: 16,
        arguments: &[
            "--task",
            "pathfinder",
            "--set",
            "data.count=200",
            "--set",
            "data.eval_count=20",
        ],
    },
];

fn main() -> anyhow::Result<()> {
    processes::main("processes", env!("CARGO_BIN_EXE_lra-bench"), MODELS)
}
