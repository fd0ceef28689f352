//! Which token is which: no checkpoint says it, and official numbers follow the frequency of tokens in
//! the training data.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use program::files::cannot;
use serde_json::Value as Json;

/// What every official vocabulary of text begins with, as tokenised with `append_eos` and without
/// `append_bos`.
pub const SPECIAL: [&str; 3] = ["<pad>", "<unk>", "<eos>"];

/// How a vocabulary is given.
pub const FORM: &str = "--vocab FILE takes the tokens in the order of their numbers, padding first: a \
    JSON list, or one a line. The official code writes it by `json.dump(dataset.vocab.get_itos(), \
    open(\"vocab.json\", \"w\"))`, or `vocab.itos` with older versions of torchtext";

/// The tokens of a file behind [`SPECIAL`], in the order of their numbers.
///
/// # Errors
/// If it cannot be read, is no vocabulary, or does not begin with the special tokens.
pub fn read(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(cannot("read the vocabulary", path))?;
    let tokens = match serde_json::from_str(&text) {
        Ok(Json::Array(list)) => {
            let token = |token: &Json| token.as_str().map(str::to_owned);
            let tokens: Option<Vec<_>> = list.iter().map(token).collect();
            tokens.with_context(|| format!("{} lists what is no text. {FORM}", path.display()))?
        }
        Ok(Json::Object(map)) => by_number(map).with_context(|| {
            format!("{} does not number tokens from 0 on. {FORM}", path.display())
        })?,
        _ => text.lines().map(str::to_owned).collect(),
    };
    ensure!(
        tokens.iter().map(String::as_str).take(SPECIAL.len()).eq(SPECIAL),
        "{} begins with {:?}, and not with {SPECIAL:?}. {FORM}",
        path.display(),
        &tokens[..tokens.len().min(SPECIAL.len())]
    );
    Ok(tokens[SPECIAL.len()..].to_vec())
}

/// The tokens of `{"token": number}`, if all numbers are there.
fn by_number(map: serde_json::Map<String, Json>) -> Option<Vec<String>> {
    let mut tokens = vec![None; map.len()];
    for (token, number) in map {
        *tokens.get_mut(usize::try_from(number.as_u64()?).ok()?)? = Some(token);
    }
    tokens.into_iter().collect()
}
