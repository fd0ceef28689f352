//! What a benchmark leaves behind.

use std::path::{Path, PathBuf};

use anyhow::Result;
use program::files;
use program::output::say;
use serde_json::Value;

/// Markdown that is printed as it comes.
#[derive(Debug, Default)]
pub(crate) struct Report {
    text: String,
}

impl Report {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) -> Result<()> {
        self.text.push_str(line);
        self.text.push('\n');
        say(line)
    }

    /// Writes `NAME.md` and `NAME.json` to the folder `out`, and the latter to the file `json`.
    pub(crate) fn write(
        &self,
        name: &str,
        figures: &Value,
        out: Option<&Path>,
        json: Option<&Path>,
    ) -> Result<()> {
        let figures = serde_json::to_string_pretty(figures)? + "\n";
        if let Some(out) = out {
            let out = in_workspace(out);
            files::create_folder(&out)?;
            files::write(&out.join(format!("{name}.md")), self.text.as_bytes())?;
            files::write(&out.join(format!("{name}.json")), figures.as_bytes())?;
        }
        if let Some(json) = json {
            files::write(&in_workspace(json), figures.as_bytes())?;
        }
        Ok(())
    }
}

/// Cargo starts benchmarks in the folder of their package; the user thinks of the workspace.
fn in_workspace(path: &Path) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    match package.as_deref().and_then(Path::parent) {
        Some(workspace) => workspace.join(path),
        None => path.to_owned(),
    }
}
