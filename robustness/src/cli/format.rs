//! In which format a report is wanted.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use program::files;
use program::output::{note, say_all};

use crate::report::{Report, csv, html, latex, markdown, terminal};
use crate::results::Results;

/// Arguments of what prints reports: text in columns where none of them is given.
#[derive(Debug, ClapArgs)]
pub(super) struct Format {
    /// A page in one file, with curves and examples that flip
    #[arg(long, group = "format")]
    html: bool,
    /// Markdown
    #[arg(long, group = "format")]
    markdown: bool,
    /// LaTeX, for booktabs and longtable
    #[arg(long, group = "format")]
    latex: bool,
    /// Numbers as they are, a line a slice
    #[arg(long, group = "format")]
    csv: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Format {
    /// Prints or writes the report of `results`, which a page has more of than its table.
    pub(super) fn print(&self, report: &Report<'_>, results: &[Results]) -> Result<()> {
        let text = if self.html {
            html::page(report, results)?
        } else if self.markdown {
            markdown::text(report)
        } else if self.latex {
            latex::text(report)
        } else if self.csv {
            csv::text(report)?
        } else {
            terminal::text(report)
        };
        self.put(&text)
    }

    /// Prints or writes `text`.
    pub(super) fn put(&self, text: &str) -> Result<()> {
        let Some(out) = &self.out else { return say_all(text) };
        files::write(out, text.as_bytes())?;
        note(format_args!("written: {}", program::names::shown(out)));
        Ok(())
    }
}
