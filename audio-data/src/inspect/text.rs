//! The report as a person reads it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use indicatif::{FormattedDuration, HumanCount};

use super::{LayoutReport, Problem, ProblemKind, Report, files};
use crate::part::Part;

/// Problems of a kind that are listed.
const LISTED: usize = 10;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let duration = FormattedDuration(Duration::from_secs_f64(self.seconds));
        writeln!(f, "{}: {}, {duration} in all", self.path, files(self.files))?;
        let mut row = |name: &str, text: &str| writeln!(f, "  {name:<10} {text}");
        if let Some(layout) = &self.layout {
            row("layout", &layout.to_string())?;
        }
        if let Some(lengths) = &self.lengths {
            let (shortest, longest) = (&lengths.shortest, &lengths.longest);
            let text = format!(
                "shortest {:.2} s ({}), median {:.2} s, longest {:.2} s ({})",
                shortest.seconds, shortest.path, lengths.median, longest.seconds, longest.path
            );
            row("lengths", &text)?;
            row("rates", &table(&self.rates, |rate| format!("{} Hz", HumanCount((*rate).into()))))?;
            row("channels", &table(&self.channels, ToString::to_string))?;
            row("encodings", &table(&self.encodings, ToString::to_string))?;
            let text = format!(
                "peak {}, RMS {}, {:.1}% of the time below -60 dBFS",
                level(self.levels.peak_dbfs),
                level(self.levels.rms_dbfs),
                100.0 * self.levels.silent
            );
            row("level", &text)?;
        }
        for problems in self.problems.chunk_by(|a, b| a.kind == b.kind) {
            list(f, problems)?;
        }
        if self.findings.lines().next().is_some() {
            writeln!(f, "\nBesides")?;
        }
        self.findings.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        if !self.recommendations.is_empty() {
            writeln!(f, "\nNote")?;
        }
        self.recommendations.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Display for LayoutReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { name, about, files: count, parts } => {
                write!(f, "{name} ({about}): ")?;
                match parts {
                    Some(parts) => {
                        let cell = |(part, count): (&Part, &usize)| {
                            format!("{part} {}", HumanCount(*count as u64))
                        };
                        f.write_str(&parts.iter().map(cell).collect::<Vec<_>>().join(", "))
                    }
                    None => write!(f, "{}, no parts of its own", files(*count)),
                }
            }
            Self::Unclear(error) => write!(f, "unclear: {error}"),
        }
    }
}

/// Problems of one kind.
fn list(f: &mut Formatter<'_>, problems: &[Problem]) -> fmt::Result {
    let title = match problems[0].kind {
        ProblemKind::Unreadable => "Unreadable",
        ProblemKind::Silent => "Silent",
        ProblemKind::Clipped => "Clipped",
        ProblemKind::DcOffset => "DC offset",
        ProblemKind::Short => "Very short",
    };
    writeln!(f, "\n{title}: {}", files(problems.len()))?;
    for Problem { path, detail, .. } in problems.iter().take(LISTED) {
        writeln!(f, "  {path}: {detail}")?;
    }
    if problems.len() > LISTED {
        writeln!(f, "  and {} more; --json lists all", problems.len() - LISTED)?;
    }
    Ok(())
}

fn table<K>(counts: &BTreeMap<K, usize>, name: impl Fn(&K) -> String) -> String {
    let cells: Vec<_> = counts
        .iter()
        .map(|(key, count)| format!("{}: {}", name(key), HumanCount(*count as u64)))
        .collect();
    cells.join(", ")
}

fn level(dbfs: Option<f64>) -> String {
    dbfs.map_or_else(|| "none".to_owned(), |dbfs| format!("{dbfs:.1} dBFS"))
}
