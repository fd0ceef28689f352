//! Names of files, and what people, shells and other systems make of them.

use std::collections::HashSet;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

/// Characters of a name in a message.
const LONGEST: usize = 120;

/// A path on one line of a message: control characters are escaped, very long ones are cut in the
/// middle.
pub fn shown(path: &Path) -> String {
    let text: String = path
        .to_string_lossy()
        .chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    let characters: Vec<_> = text.chars().collect();
    if characters.len() <= LONGEST {
        return text;
    }
    let (start, end) = (&characters[..LONGEST / 2], &characters[characters.len() - LONGEST / 2..]);
    format!("{}...{}", String::from_iter(start), String::from_iter(end))
}

/// A path as it is pasted into a shell: quoted where it must be.
pub fn pasted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), |quoted| quoted.into_owned())
}

/// The normal form C of a name: macOS takes characters with accents apart, other systems keep them
/// whole.
pub fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// What tells `paths` apart: of each its last parts, `parts` of them or as many more as are needed. Equal
/// paths have equal endings.
pub fn endings(paths: &[&Path], parts: usize) -> Vec<String> {
    let split = |path: &Path| -> Vec<String> {
        path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let split: Vec<_> = paths.iter().map(|path| split(path)).collect();
    let ending = |path: &[String], parts: usize| path[path.len().saturating_sub(parts)..].to_vec();
    let distinct = |paths: Vec<Vec<String>>| paths.into_iter().collect::<HashSet<_>>().len();
    let all = distinct(split.clone());
    let longest = split.iter().map(Vec::len).max().unwrap_or(0);
    let tell = |parts: &usize| distinct(split.iter().map(|it| ending(it, *parts)).collect()) == all;
    let parts = (parts..longest).find(tell).unwrap_or(longest.max(parts));
    split.iter().map(|path| ending(path, parts).join("/")).collect()
}

/// As much of `name` as fits the name of a folder with something after it, without characters that
/// lines, tables and other systems stumble over.
pub fn folder_stem(name: &str) -> String {
    /// File systems allow 255 bytes.
    const BYTES: usize = 150;
    let mut stem = String::new();
    for c in name.chars() {
        let c = if c.is_control() || "/\\|<>:\"?*".contains(c) { '_' } else { c };
        if stem.len() + c.len_utf8() > BYTES {
            break;
        }
        stem.push(c);
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_as_long_as_it_takes() {
        let of = |paths: &[&str], parts| {
            endings(&paths.iter().map(|path| Path::new(*path)).collect::<Vec<_>>(), parts)
        };
        assert_eq!(of(&["runs/a/x", "runs/b/y"], 1), ["x", "y"]);
        assert_eq!(of(&["runs/a/x", "runs/b/x"], 1), ["a/x", "b/x"]);
        assert_eq!(of(&["m/probe/all/1", "m/full/all/1"], 2), ["probe/all/1", "full/all/1"]);
        assert_eq!(of(&["runs/x", "runs/x", "y"], 1), ["x", "x", "y"]);
        assert_eq!(of(&["x", "a/x"], 1), ["x", "a/x"]);
        assert_eq!(of(&["a/x"], 4), ["a/x"]);
    }

    #[test]
    fn what_is_shown_is_one_line() {
        assert_eq!(shown(Path::new("a/é b.wav")), "a/é b.wav");
        assert_eq!(shown(Path::new("a\nb\t.wav")), "a\\nb\\t.wav");
        let long = shown(Path::new(&format!("{}.wav", "x".repeat(250))));
        assert!(long.len() < 130 && long.contains("...") && long.ends_with(".wav"), "{long}");
    }

    #[test]
    fn what_is_pasted_is_one_word() {
        assert_eq!(pasted(Path::new("runs/a-1/b_2.wav")), "runs/a-1/b_2.wav");
        assert_eq!(pasted(Path::new("my runs/it's")), "\"my runs/it's\"");
        assert_eq!(pasted(Path::new("a b|c$d")), "'a b|c$d'");
    }

    #[test]
    fn accents_are_put_together() {
        assert_eq!(composed("e\u{301}lan"), "élan");
        assert_eq!(composed("élan"), "élan");
    }

    #[test]
    fn stems_fit_folders() {
        assert_eq!(folder_stem("my digits-small"), "my digits-small");
        assert_eq!(folder_stem("a|b\nc/d"), "a_b_c_d");
        let long = folder_stem(&"é".repeat(200));
        assert!(long.len() <= 150 && long.chars().all(|c| c == 'é'));
    }
}
