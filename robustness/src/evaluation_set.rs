//! Examples that are kept on disk: frozen from a suite, or brought by the user.
//!
//! A set is a folder with `set.toml` (what it is, with the SHA-256 of the examples) and
//! `examples.jsonl`, an object a line: `label` (name or number of the class, or the values that are asked
//! for; none where the next token is) and one of `text`,
//! `expression`, `file` (a picture or recording beside it), `picture`, `sound` or `series`; in tests of
//! invariance and direction `before`, too, with the same keys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use audio_data::read::resampled;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasets::batch::Label;
use datasets::examples::images::Colour;
use datasets::examples::pictures;
use datasets::listops::grammar;
use program::files;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use transformations::content::{Content, Expression, Kind, Picture, Series, Sound};

use crate::checklist::Test;
use crate::subject::{About, Item};

const SET: &str = "set.toml";
const EXAMPLES: &str = "examples.jsonl";
/// The layout of the files; a change of it must change the number.
const FORMAT: u32 = 1;

/// What a set is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name in reports.
    pub name: String,
    /// The layout of the files.
    pub format: u32,
    /// The version of its content, for whoever changes it.
    pub version: u32,
    /// What examples are.
    pub kind: Kind,
    /// What is asked.
    pub test: Test,
    /// How it came about.
    #[serde(default)]
    pub lineage: Vec<String>,
    /// SHA-256 of `examples.jsonl`; one without it is not checked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
}

/// One example of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What is judged.
    pub item: Item,
    /// What it was before.
    pub before: Option<Item>,
}

/// A set.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSet {
    /// What it is.
    pub description: Description,
    /// Its examples.
    pub members: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Number in the data's test part of what it was made of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    example: Option<usize>,
    #[serde(default)]
    label: Json,
    #[serde(flatten)]
    content: Kept,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    before: Option<Kept>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Text(String),
    Expression(String),
    File(PathBuf),
    Picture { width: usize, colours: usize, bytes: String },
    Sound { rate: u32, samples: String },
    Series { features: usize, values: Vec<f32> },
}

impl Kept {
    fn of(content: &Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text.clone()),
            Content::Expression(expression) => {
                Self::Expression(grammar::text(&expression.tokens()))
            }
            Content::Picture(picture) => Self::Picture {
                width: picture.width,
                colours: picture.colours,
                bytes: STANDARD.encode(picture.bytes()),
            },
            Content::Sound(sound) => {
                let bytes: Vec<u8> =
                    sound.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                Self::Sound { rate: sound.rate, samples: STANDARD.encode(bytes) }
            }
            Content::Series(series) => {
                Self::Series { features: series.features, values: series.values.clone() }
            }
        }
    }

    fn content(self, folder: &Path, kind: Kind, like: &Content) -> Result<Content> {
        Ok(match self {
            Self::Text(text) => Content::Text(text),
            Self::Expression(text) => Expression::of(&grammar::parse(&text)?)?.into(),
            Self::Picture { width, colours, bytes } => {
                let bytes = STANDARD.decode(bytes).context("a picture's bytes in base64")?;
                let pixels = width * colours;
                ensure!(pixels > 0 && bytes.len() % pixels == 0, "a picture of broken rows");
                of_bytes(width, colours, &bytes)
            }
            Self::Sound { rate, samples } => {
                let bytes = STANDARD.decode(samples).context("a sound's samples in base64")?;
                let samples = bytes.chunks_exact(4);
                let samples = samples.map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]]));
                Sound { rate, samples: samples.collect() }.into()
            }
            Self::Series { features, values } => {
                ensure!(features > 0 && values.len() % features == 0, "a series of broken rows");
                Series { features, values }.into()
            }
            Self::File(name) => {
                let path = folder.join(name);
                read(&path, kind, like).with_context(|| path.display().to_string())?
            }
        })
    }
}

fn of_bytes(width: usize, colours: usize, bytes: &[u8]) -> Content {
    let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    Picture { width, colours, values }.into()
}

/// A file as examples like `like` are.
fn read(path: &Path, kind: Kind, like: &Content) -> Result<Content> {
    match like {
        Content::Picture(picture) => {
            let colour = if picture.colours == 3 { Colour::Rgb } else { Colour::Grey };
            let (size, bytes) = pictures::read(path, colour)?;
            Ok(of_bytes(size.0 as usize, picture.colours, &bytes))
        }
        Content::Sound(sound) => {
            let mut samples = Vec::new();
            resampled(path, sound.rate, |block| samples.extend_from_slice(block))?;
            Ok(Sound { rate: sound.rate, samples }.into())
        }
        Content::Text(_) => {
            Ok(fs::read_to_string(path).map_err(files::cannot("read", path))?.into())
        }
        _ => bail!("{kind} are not read from files of their own"),
    }
}

impl EvaluationSet {
    /// The set in `folder`, for the model `about`, whose examples are like `like`.
    ///
    /// # Errors
    /// If it cannot be read, was changed, or is of something else.
    pub fn open(folder: &Path, about: &About, like: &Item) -> Result<Self> {
        let path = folder.join(SET);
        let text = fs::read_to_string(&path).map_err(files::cannot("read", &path))?;
        let description: Description =
            toml::from_str(&text).with_context(|| path.display().to_string())?;
        ensure!(
            description.format == FORMAT,
            "{} is of format {}, this program reads format {FORMAT}",
            folder.display(),
            description.format
        );
        ensure!(
            description.kind == about.kind,
            "{} holds {}, the model is one of {}",
            folder.display(),
            description.kind,
            about.kind
        );
        let path = folder.join(EXAMPLES);
        let bytes = fs::read(&path).map_err(files::cannot("read", &path))?;
        if let Some(expected) = &description.sha256 {
            ensure!(
                *expected == sha256(&bytes),
                "{} is not what {SET} has the sha256 of: it was changed or damaged. If you changed \
                 it, take the sha256 away and count `version` up",
                path.display()
            );
        }
        let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
        let mut members = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let member = member(line, folder, about, like, description.test);
            members.push(member.with_context(|| format!("{}:{}", path.display(), number + 1))?);
        }
        Ok(Self { description, members })
    }

    /// Writes the set.
    ///
    /// # Errors
    /// If the folder holds another one, or cannot be written.
    pub fn write(&self, folder: &Path, classes: &[String]) -> Result<()> {
        ensure!(
            !folder.join(SET).exists(),
            "{} holds a set already; sets are frozen: choose another folder",
            folder.display()
        );
        let mut text = String::new();
        for Member { item, before } in &self.members {
            let label = match &item.label {
                Label::Class(class) => match classes.get(*class as usize) {
                    Some(name) => Json::String(name.clone()),
                    None => Json::from(*class),
                },
                Label::Values(values) => Json::from(values.clone()),
                Label::LastTokens(_) | Label::Next => Json::Null,
            };
            let line = Line {
                example: Some(item.index),
                label,
                content: Kept::of(&item.content),
                before: before.as_ref().map(|before| Kept::of(&before.content)),
            };
            text += &serde_json::to_string(&line)?;
            text.push('\n');
        }
        let description =
            Description { sha256: Some(sha256(text.as_bytes())), ..self.description.clone() };
        files::create_folder(folder)?;
        files::write(&folder.join(EXAMPLES), text.as_bytes())?;
        files::write(&folder.join(SET), toml::to_string(&description)?.as_bytes())
    }

    /// Its name with the version of its content.
    pub fn version(&self) -> String {
        let Description { name, version, .. } = &self.description;
        format!("{name} v{version}")
    }
}

/// What a new set is: the first version of its content.
pub fn describe(name: String, kind: Kind, test: Test, lineage: Vec<String>) -> Description {
    Description { name, format: FORMAT, version: 1, kind, test, lineage, sha256: None }
}

fn member(line: &str, folder: &Path, about: &About, like: &Item, test: Test) -> Result<Member> {
    let line: Line = serde_json::from_str(line)?;
    let label = match &line.label {
        _ if like.label == Label::Next => Label::Next,
        Json::String(name) => {
            let class = about.classes.iter().position(|class| class == name);
            let class = class.with_context(|| {
                format!("there is no class `{name}`; classes: {}", about.classes.join(", "))
            })?;
            Label::Class(class as i64)
        }
        Json::Number(number) => {
            let class = number.as_i64().context("a label that is no whole number")?;
            let known =
                about.classes.is_empty() || (0..about.classes.len() as i64).contains(&class);
            ensure!(known, "class {class} of {}", about.classes.len());
            Label::Class(class)
        }
        Json::Array(values) => {
            let values = values.iter().map(|value| value.as_f64().context("a label of numbers"));
            Label::Values(values.collect::<Result<_>>()?)
        }
        other => bail!("`label` is a class or numbers, not {other}"),
    };
    ensure!(
        test == Test::Mft || line.before.is_some(),
        "a test of {test} needs `before`: what the model's answer is compared with"
    );
    // Without a number it is like any other example.
    let index = line.example.unwrap_or(like.index);
    let item = |kept: Kept| -> Result<Item> {
        let content = kept.content(folder, about.kind, &like.content)?;
        Ok(Item { index, content, label: label.clone() })
    };
    Ok(Member { item: item(line.content)?, before: line.before.map(item).transpose()? })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            run: PathBuf::new(),
            task: "text".to_owned(),
            data: String::new(),
            step: 0,
            model: String::new(),
            kind: Kind::Text,
            classes: vec!["bad".to_owned(), "good".to_owned()],
        }
    }

    fn item(text: &str, class: i64) -> Item {
        Item { index: 3, content: Content::Text(text.to_owned()), label: class.into() }
    }

    #[test]
    fn sets_read_back_and_changes_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let description = describe("a".to_owned(), Kind::Text, Test::Inv, vec!["all".to_owned()]);
        let member = Member { item: item("fien", 1), before: Some(item("fine", 1)) };
        let set = EvaluationSet { description, members: vec![member] };
        set.write(folder.path(), &about().classes).unwrap();
        let again = EvaluationSet::open(folder.path(), &about(), &item("", 0)).unwrap();
        assert_eq!(again.members, set.members);
        let error = set.write(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("frozen"), "{error}");
        let path = folder.path().join(EXAMPLES);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("fien", "fine")).unwrap();
        let error = EvaluationSet::open(folder.path(), &about(), &item("", 0)).unwrap_err();
        assert!(error.to_string().contains("changed or damaged"), "{error}");
    }

    #[test]
    fn sets_can_be_written_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let set = "name = 'mine'\nformat = 1\nversion = 2\nkind = 'text'\ntest = 'mft'\n";
        fs::write(folder.path().join(SET), set).unwrap();
        let examples = folder.path().join(EXAMPLES);
        fs::write(&examples, "{\"label\": \"good\", \"text\": \"A gem.\"}\n\n").unwrap();
        let read = || EvaluationSet::open(folder.path(), &about(), &item("", 0));
        assert_eq!(read().unwrap().members[0].item, item("A gem.", 1));
        for (line, words) in [
            ("{\"label\": \"fine\", \"text\": \"a\"}", "classes: bad, good"),
            ("{\"label\": 2, \"text\": \"a\"}", "class 2 of 2"),
            ("{\"label\": 1}", "jsonl:1"),
            ("{\"label\": 1, \"file\": \"none.txt\"}", "none.txt"),
        ] {
            fs::write(&examples, line).unwrap();
            let error = format!("{:#}", read().unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn all_content_is_kept() {
        let expression = Expression::of(&grammar::parse("[MAX 4 [MIN 2 3 ] ]").unwrap()).unwrap();
        for content in [
            Picture { width: 2, colours: 1, values: vec![0.0, 1.0] }.into(),
            Sound { rate: 8, samples: vec![0.25, -1.0] }.into(),
            Series { features: 2, values: vec![1.5, 2.5] }.into(),
            Content::from(expression),
        ] {
            let text = serde_json::to_string(&Kept::of(&content)).unwrap();
            let kept: Kept = serde_json::from_str(&text).unwrap();
            assert_eq!(kept.content(Path::new(""), Kind::Series, &content).unwrap(), content);
        }
    }
}
