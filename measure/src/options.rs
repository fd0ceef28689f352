//! The command line of a benchmark.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

/// What the user asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Few runs, small sizes.
    pub quick: bool,
    /// Entries are run that are predicted to take too long or too much memory.
    pub force: bool,
    /// Where the figures go.
    pub json: Option<PathBuf>,
    /// Where `NAME.md` and `NAME.json` go.
    pub out: Option<PathBuf>,
    /// Entries that are wanted have this in their name.
    pub filter: String,
    /// (name, value) of options that only this benchmark has.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// Reads the arguments behind the program's name; `extra` are the benchmark's own options, each
    /// with a value.
    pub(crate) fn parse(arguments: &[String], extra: &[&str]) -> Result<Self> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = |what| {
                rest.next().cloned().with_context(|| format!("{argument} needs {what} behind it"))
            };
            match argument.as_str() {
                "--bench" => {} // Cargo's
                "--quick" => options.quick = true,
                "--force" => options.force = true,
                "--json" => options.json = Some(value("a file")?.into()),
                "--out" => options.out = Some(value("a folder")?.into()),
                flag if extra.contains(&flag) => {
                    options.settings.push((flag.to_owned(), value("a value")?));
                }
                flag if flag.starts_with('-') => bail!(
                    "unknown option {flag}; there are --quick, --force, --json FILE, --out DIR{} and a filter",
                    extra.iter().map(|flag| format!(", {flag} VALUE")).collect::<String>()
                ),
                filter => {
                    ensure!(options.filter.is_empty(), "one filter at a time, got {filter:?} too");
                    filter.clone_into(&mut options.filter);
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments, &["--device"])
    }

    #[test]
    fn options_are_read_in_any_order() {
        let options =
            parse("s4/ --out there --bench --device cpu --force --json a.json --quick").unwrap();
        let expected = Options {
            quick: true,
            force: true,
            json: Some("a.json".into()),
            out: Some("there".into()),
            filter: "s4/".into(),
            settings: vec![("--device".into(), "cpu".into())],
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, message) in [
            ("--slow", "unknown option --slow; there are --quick, --force"),
            ("--slow", "--out DIR, --device VALUE and a filter"),
            ("--json", "--json needs a file"),
            ("--device", "--device needs a value"),
            ("a b", "one filter at a time, got \"b\" too"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
