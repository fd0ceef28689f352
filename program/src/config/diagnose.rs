//! From serde's error to a message with place, key and remedy.

use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

use anyhow::{Error, anyhow};
use toml::de::{DeTable, DeValue};

use crate::exit::usage;

/// The text of a configuration file.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, PartialEq)]
pub struct Problem {
    /// Full key.
    key: String,
    /// What the section is about whose type another setting decides.
    owner: Option<String>,
    what: What,
}

#[derive(Debug, PartialEq)]
enum What {
    UnknownKey { known: Vec<String> },
    Missing,
    UnknownChoice { given: String, known: Vec<String> },
    Other(String),
}

/// serde's message without Rust's names of types.
fn in_words(message: &str) -> String {
    let Some((before, kind)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let kind = match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "a boolean" => "true or false",
        other => other,
    };
    format!("{before}expected {kind}")
}

impl Problem {
    /// From the path at which serde failed and its message.
    pub(super) fn new(path: &str, message: &str) -> Self {
        // serde names keys in backticks: "unknown field `a`, expected one of `b`, `c`".
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let (what, name) = if message.starts_with("unknown field") {
            let name = quoted.next();
            (What::UnknownKey { known: quoted.collect() }, name)
        } else if message.starts_with("missing field") {
            (What::Missing, quoted.next())
        } else if message.starts_with("unknown variant") {
            let given = quoted.next().unwrap_or_default();
            (What::UnknownChoice { given, known: quoted.collect() }, None)
        } else {
            (What::Other(in_words(message)), None)
        };
        // The path of an unknown key ends in it, except below enums, where serde loses track; that
        // of a missing key never does.
        let path = if path == "." { "" } else { path };
        let key = match name {
            Some(name) if path.is_empty() => name,
            Some(name) if what == What::Missing || path.rsplit('.').next() != Some(&name) => {
                format!("{path}.{name}")
            }
            _ => path.to_owned(),
        };
        Self { key, owner: None, what }
    }

    /// `new` and its old name `old` are both set.
    pub(super) fn twice(old: &str, new: &str) -> Self {
        let what = What::Other(format!("it is set twice: `{old}` is its old name"));
        Self { key: new.to_owned(), owner: None, what }
    }

    /// The same of the section `name`, which is about `owner`.
    pub(super) fn in_section(self, name: &str, owner: &str) -> Self {
        let key =
            if self.key.is_empty() { name.to_owned() } else { format!("{name}.{}", self.key) };
        Self { key, owner: Some(owner.to_owned()), what: self.what }
    }

    /// The key that is not known, if one is.
    pub(super) fn unknown_key(&self) -> Option<&str> {
        matches!(self.what, What::UnknownKey { .. }).then_some(&*self.key)
    }

    /// Whether setting `key` may have caused this.
    pub(super) fn concerns(&self, key: &str) -> bool {
        let below = |a: &str, b: &str| {
            a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        below(&self.key, key) || below(key, &self.key)
    }

    fn describe(&self, text: &str) -> String {
        let Self { key, owner, what } = self;
        match what {
            What::UnknownKey { known } => {
                let of = owner.as_ref().map_or_else(String::new, |owner| format!(" of {owner}"));
                format!("unknown key `{key}`{of}{}", self.hint(known, text))
            }
            What::Missing => format!("`{key}` is missing"),
            What::UnknownChoice { given, known } => format!(
                "`{key}` is \"{given}\", expected one of {}{}",
                known.join(", "),
                nearest(given, known).map_or_else(String::new, |n| format!("; did you mean {n}?"))
            ),
            What::Other(message) if key.is_empty() => message.clone(),
            What::Other(message) => format!("`{key}`: {message}"),
        }
    }

    /// The same name in another section of the file, or the nearest one in this.
    fn hint(&self, known: &[String], text: &str) -> String {
        let (section, name) = self.key.rsplit_once('.').unwrap_or(("", &self.key));
        let full = |name: &str| {
            if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
        };
        let elsewhere = || {
            let all = super::settings(text).into_keys();
            let same = all.filter(|key| *key != self.key && key.rsplit('.').next() == Some(name));
            // The one in the nearest section.
            same.max_by_key(|key| {
                let shared = key.split('.').zip(section.split('.')).take_while(|(a, b)| a == b);
                (shared.count(), Reverse(key.split('.').count()))
            })
        };
        match elsewhere().or_else(|| nearest(name, known).map(full)) {
            Some(candidate) => format!("; did you mean `{candidate}`?"),
            None if known.is_empty() => "; this section takes no keys".to_owned(),
            None => format!("; known here: {}", known.join(", ")),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(""))
    }
}

impl std::error::Error for Problem {}

impl Source<'_> {
    /// The file is no TOML.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> Error {
        let line = error.span().map_or_else(String::new, |span| self.line(&span));
        anyhow!("{}{line}: {}", self.name, error.message())
    }

    /// `problem` in words; `culprit` is the override that caused it, if one did.
    pub(super) fn explain(&self, problem: &Problem, culprit: Option<&str>) -> Error {
        let what = problem.describe(self.text);
        match culprit {
            Some(text) => usage(format!("--set {text}: {what}")),
            None => {
                let line = self.find(&problem.key).map_or_else(String::new, |at| self.line(&at));
                anyhow!("{}{line}: {what}", self.name)
            }
        }
    }

    /// Where `key`, or the innermost section of it that exists, stands in the text.
    fn find(&self, key: &str) -> Option<Range<usize>> {
        let root = DeTable::parse(self.text).ok()?;
        let mut table = root.get_ref();
        let mut found = None;
        for part in key.split('.') {
            // An element of an array, `layers[1]`, is looked up as the array.
            let part = part.split('[').next().unwrap_or(part);
            let Some((name, value)) = table.get_key_value(part) else { break };
            found = Some(name.span());
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        found
    }

    fn line(&self, span: &Range<usize>) -> String {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        format!(":{}", 1 + before.iter().filter(|&&byte| byte == b'\n').count())
    }
}

/// The known name that `name` is most likely a slip of.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.as_str())
}
