//! ListOps: what is a nested expression worth? (Nangia and Bowman 2018; Long Range Arena, Tay et al.
//! 2021).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use program::config::to_table;
use program::exit::{self, usage};
use program::files::CACHE;
use program::findings::Findings;
use program::interrupt;
use program::names::pasted;
use program::output::note;
use program::progress::Progress;
use s4_config::Input;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;
use toml::Table;

use super::generate::{Outcome, Request};
use super::{Splits, Task, lra_release};
use crate::examples::texts::is_text_name;
use crate::examples::tokens::{END, FIRST, PAD, TokenSet, UNKNOWN, sequence};
use crate::inputs::Inputs;
use crate::listops::grammar::{self, VALUES, VOCABULARY, WORDS};
use crate::listops::{Lengths, Recipe, tsv};
use crate::locate::{listed, locate};
use crate::medium::{Kind, Medium};
use crate::provenance::{Provenance, Published};
use crate::shape::{Shape, Target};
use crate::text::characters::max_length;
use crate::text::token_file::{cached, hash_files};

pub(super) const TASK: Task = Task {
    name: "listops",
    about: "what is a nested expression worth?",
    kind: Some(Kind::Expression),
    length: Some(MAX_LENGTH),
    classes: Some(VALUES as usize),
    published: Some(Published { figure: 59.60, train: PUBLISHED_COUNT }),
    provenance,
    paper: include_str!("../../../configs/lra/listops.toml"),
    small: include_str!("../../../configs/lra/listops-small.toml"),
    source: "generated, or the official release",
    archives: lra_release::ARCHIVES,
    generate: Some(generate),
    is_there: |dir| locate(Some(dir), "listops", &FOLDERS, is_there).is_ok(),
    read: Some(inputs),
    ..Task::of::<Data>(load)
};

/// Tokens of a sequence, its end token included.
const MAX_LENGTH: usize = grammar::LONGEST + 1;
/// Folders that the files are in, below the one that is named.
const FOLDERS: [&str; 3] =
    ["listops-1000", "lra_release/listops-1000", "lra_release/lra_release/listops-1000"];
/// Expressions that were published to train on.
const PUBLISHED_COUNT: u64 = 96_000;
/// Names how files become tokens; a change of it must change the number.
const TOKENS_VERSION: u32 = 1;

/// Where expressions come from.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Folder with the official release; expressions are generated where it is missing.
    dir: Option<PathBuf>,
    /// Number of generated expressions to train on.
    #[default(PUBLISHED_COUNT)]
    count: u64,
    /// Number of generated expressions to validate, and to test.
    #[default(2000)]
    eval_count: u64,
    /// Tokens of the shortest and of the longest generated expression.
    #[default(Lengths::PUBLISHED)]
    lengths: Lengths,
    /// Seed of generated expressions.
    seed: u64,
    /// Tokens of an expression that are kept, its end token included.
    #[default(MAX_LENGTH)]
    max_length: usize,
    /// The words in the order of their tokens, divided by spaces, of a model that was trained elsewhere;
    /// others are unknown. As the program numbers them where it is missing.
    vocabulary: Option<String>,
    /// Folder that tokens are kept in.
    #[default(CACHE.into())]
    cache: PathBuf,
}

fn is_there(folder: &Path) -> bool {
    tsv::FILES.iter().all(|name| folder.join(name).is_file())
}

fn load(task: &Task, data: &Table, progress: bool) -> Result<Splits> {
    let settings: Data = task.settings(data)?;
    let (set, origin) = match &settings.dir {
        Some(dir) => from_files(dir, &settings.cache)?,
        None => generated(&settings, progress)?,
    };
    let numbering = Numbering::new(&settings)?;
    let [train, val, test] = numbering.apply(set).into_parts();
    Ok(Splits {
        shape: numbering.shape(),
        medium: match settings.vocabulary {
            None => Medium::Expressions,
            Some(_) => Medium::Text(Arc::new(move |tokens| numbering.spell(tokens))),
        },
        config: to_table(&settings)?,
        train,
        val,
        test,
        origin,
        findings: Findings::default(),
    })
}

/// How expressions become the tokens of a model.
struct Numbering {
    /// A token of its own for each of ours.
    tokens: [u8; VOCABULARY],
    size: usize,
    max_length: usize,
}

impl Numbering {
    fn new(settings: &Data) -> Result<Self> {
        let mut tokens = std::array::from_fn(|token| token as u8);
        let mut size = VOCABULARY;
        if let Some(vocabulary) = &settings.vocabulary {
            let words: Vec<&str> = vocabulary.split_whitespace().collect();
            for (number, word) in words.iter().enumerate() {
                ensure!(
                    !words[..number].contains(word) && number < 250,
                    "data.vocabulary: {word:?} is there twice, or one of too many"
                );
            }
            size = usize::from(FIRST) + words.len();
            for (token, known) in tokens[usize::from(FIRST)..].iter_mut().zip(WORDS) {
                let number = words.iter().position(|word| *word == known);
                *token = number.map_or(UNKNOWN, |number| FIRST + number as u8);
            }
        }
        Ok(Self { tokens, size, max_length: max_length(settings.max_length)? })
    }

    fn shape(&self) -> Shape {
        Shape {
            input: Input::Tokens { vocabulary: self.size as i64 },
            target: Target::numbered(VALUES as usize),
        }
    }

    /// The tokens of an expression, which has no end token, with one.
    fn number(&self, expression: &[u8]) -> impl Iterator<Item = u8> {
        let kept = expression.iter().take(self.max_length - 1);
        kept.map(|&token| self.tokens[usize::from(token)]).chain([END])
    }

    /// The set with all its expressions numbered.
    fn apply(&self, set: TokenSet) -> TokenSet {
        if self.size == VOCABULARY && self.tokens.is_sorted() && self.max_length >= MAX_LENGTH {
            return set;
        }
        let mut numbered = TokenSet::new(1);
        for part in 0..set.parts.len() {
            for example in set.part(part) {
                for sequence in set.sequences(example) {
                    let expression = sequence.split_last().map_or(sequence, |(_, rest)| rest);
                    numbered.extend(self.number(expression));
                    numbered.end_sequence();
                }
                numbered.end_example(set.labels[example]);
            }
            numbered.end_part();
        }
        numbered
    }

    /// The expression of tokens.
    fn spell(&self, tokens: &[i64]) -> String {
        let ours = |token: &i64| self.tokens.iter().position(|own| i64::from(*own) == *token);
        let ours: Vec<i64> = tokens.iter().filter_map(ours).map(|token| token as i64).collect();
        grammar::plain(&ours)
    }
}

fn inputs(task: &Task, data: &Table) -> Result<Inputs> {
    let numbering = Numbering::new(&task.settings(data)?)?;
    let shape = numbering.shape();
    let read = move |line: &str| {
        let expression = grammar::parse(line)?;
        grammar::evaluate(&expression)?; // it is a whole one
        Ok(vec![sequence(numbering.number(&expression))])
    };
    Ok(Inputs {
        shape,
        padding: Some(PAD.into()),
        about: "expressions such as [MAX 4 3 [MIN 2 3 ] 1 ], one a line (.txt)".to_owned(),
        takes: is_text_name,
        file: None,
        line: Some(Box::new(read)),
    })
}

fn provenance(task: &Task, data: &Table) -> Result<Provenance> {
    let Data { dir, count, lengths, .. } = task.settings(data)?;
    let Lengths { shortest, longest } = lengths;
    Ok(match dir {
        Some(_) => Provenance::official(true),
        None => Provenance::generated(count, lengths == Lengths::PUBLISHED)
            .with(&format!("{shortest} to {longest} tokens")),
    })
}

fn from_files(dir: &Path, cache: &Path) -> Result<(TokenSet, String)> {
    let folder = locate(Some(dir), TASK.name, &FOLDERS, is_there).map_err(|looked| {
        anyhow!(
            "the files {} are not in {}. Unpack the official archive there (lra_release.gz, linked \
             from https://github.com/google-research/long-range-arena), write new ones with \
             `lra-bench generate-data --task listops --out {} --count {PUBLISHED_COUNT}`, or leave \
             --data out to train on generated expressions",
            tsv::FILES.join(", "),
            listed(&looked),
            pasted(dir)
        )
    })?;
    let paths = tsv::FILES.map(|name| folder.join(name));
    let mut hash = Sha256::new_with_prefix("listops files");
    hash.update(TOKENS_VERSION.to_le_bytes());
    hash_files(&mut hash, &paths)?;
    let set = cached(&cache.join("listops.tokens"), &hash.finalize().into(), || {
        let mut set = TokenSet::new(1);
        for path in &paths {
            note(format_args!("reading {}", path.display()));
            tsv::read(path, |expression, value| add(&mut set, expression, value))?;
            set.end_part();
        }
        Ok(set)
    })?;
    let [train, val, test] = [0, 1, 2].map(|part| set.part(part).len());
    let origin = format!("{train} + {val} + {test} expressions in {}", folder.display());
    Ok((set, origin))
}

fn generated(settings: &Data, progress: bool) -> Result<(TokenSet, String)> {
    let &Data { count, eval_count, lengths, seed, ref cache, .. } = settings;
    let recipe = Recipe { seed, counts: [count, eval_count, eval_count], lengths };
    recipe.validate(grammar::LONGEST)?;
    let Lengths { shortest, longest } = lengths;
    let name = format!("listops-seed{seed}-{count}-{eval_count}-{shortest}-{longest}.tokens");
    let origin = format!(
        "no --data, so {count} expressions of {shortest} to {longest} tokens (and twice \
         {eval_count} to evaluate) are generated once and kept in {}",
        cache.display()
    );
    let set = cached(&cache.join(name), &recipe.fingerprint(), || {
        let mut set = TokenSet::new(1);
        for expressions in make(&recipe, progress)? {
            for expression in expressions {
                add(&mut set, &expression, grammar::evaluate(&expression)?);
            }
            set.end_part();
        }
        Ok(set)
    })?;
    Ok((set, origin))
}

/// The expressions of all parts, with a bar if that is wanted.
fn make(recipe: &Recipe, progress: bool) -> Result<[Vec<Vec<u8>>; 3]> {
    let total = recipe.counts.iter().sum();
    let progress = Progress::new(progress, 0, total);
    let parts = recipe.generate(|done| {
        progress.step(done);
        progress.figures("expressions", &format!("expressions generated: {done} of {total}"));
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    parts.ok_or_else(exit::interrupted)
}

/// An expression as the model sees it: at most 2,048 tokens with the end token.
fn tokens(expression: &[u8]) -> impl Iterator<Item = u8> {
    expression.iter().copied().take(grammar::LONGEST).chain([END])
}

fn add(set: &mut TokenSet, expression: &[u8], value: u8) {
    set.extend(tokens(expression));
    set.end_sequence();
    set.end_example(value);
}

fn generate(request: &Request) -> Result<Outcome> {
    if request.difficulty.is_some() || request.size.is_some() {
        return Err(usage("--difficulty and --size mean nothing to listops"));
    }
    // 2,000 each to 96,000, as published.
    let eval_count = (request.count / 48).max(1);
    let counts = [request.count, eval_count, eval_count];
    let recipe = Recipe { seed: request.seed, counts, lengths: Lengths::PUBLISHED };
    recipe.validate(Lengths::PUBLISHED.longest)?;
    tsv::ensure_absent(request.out)?;
    let folder = tsv::write(request.out, &make(&recipe, request.progress)?)?;
    let summary = format!("{} + {eval_count} + {eval_count} expressions written", request.count);
    Ok(Outcome::Complete { folder, summary })
}
