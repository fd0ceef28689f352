//! What a benchmark leaves behind.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Markdown that is printed as it comes.
#[derive(Debug, Default)]
pub(crate) struct Report {
    text: String,
}

impl Report {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
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
            std::fs::create_dir_all(&out)
                .with_context(|| format!("cannot make the folder {}", out.display()))?;
            write(&out.join(format!("{name}.md")), &self.text)?;
            write(&out.join(format!("{name}.json")), &figures)?;
        }
        if let Some(json) = json {
            write(&in_workspace(json), &figures)?;
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

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".partial");
    std::fs::write(&aside, text)
        .and_then(|()| std::fs::rename(&aside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
