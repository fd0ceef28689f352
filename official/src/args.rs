//! Arguments of `import` and `export`, the same in every program.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `import`; a program adds its own for what no file says.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// A checkpoint of the official code: .ckpt of Lightning, .pt or .pkl of weights; or .safetensors
    /// with official names. It is read, and nothing in it is run
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Folder of the run that is made of it
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Settings from a file [default: those in the checkpoint; where it has none, a preset's with what
    /// its weights say]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one setting, e.g. model.layer.ssm.dt_transform=exp; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Keep C in place of the official C̃ = (1 - Āᴸ)ᵀC, so that no length L is special; rounds once
    #[arg(long)]
    pub undo_c_tilde: bool,
}

/// Arguments of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Folder of a run, its name below runs/, or one of its checkpoints
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Where to write its best weights under official names: .safetensors, or .pt, which torch.load reads
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
