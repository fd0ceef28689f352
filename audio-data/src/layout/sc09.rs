//! SC09: the ten digits of Speech Commands (Donahue et al. 2019).

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Entry, Layout, speech_commands};

pub(super) const LAYOUT: Layout = Layout {
    name: "sc09",
    about: "SC09: the digits zero to nine of Speech Commands, with its lists",
    rate: Some(16_000),
    recognises,
    list,
    others: speech_commands::OTHERS,
};

const DIGITS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

fn is_digit(word: &str) -> bool {
    DIGITS.contains(&word)
}

fn recognises(dir: &Path) -> bool {
    speech_commands::recognises(dir)
        && speech_commands::words(dir).is_ok_and(|words| words.iter().all(|word| is_digit(word)))
}

fn list(dir: &Path) -> Result<Vec<Entry>> {
    let entries = speech_commands::list(dir, is_digit)?;
    ensure!(
        !entries.is_empty(),
        "no clips in folders named zero to nine in {}; choose another folder, or the layout \
         `speech-commands` for other words",
        dir.display()
    );
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::{detect, folder_of, open};

    #[test]
    fn digits_alone_are_recognised_and_other_words_are_left_out() {
        let (_temporary, dir) =
            folder_of("sc", &["zero/a_nohash_0.wav", "nine/a_nohash_0.wav", "_noise_/x.wav"]);
        assert_eq!(detect(&dir).unwrap().layout.name, "sc09");
        std::fs::create_dir(dir.join("cat")).unwrap();
        std::fs::write(dir.join("cat/a_nohash_0.wav"), "").unwrap();
        assert_eq!(detect(&dir).unwrap().layout.name, "speech-commands");
        let labels: Vec<_> =
            open(&dir, "sc09").unwrap().entries.into_iter().map(|e| e.label.unwrap()).collect();
        assert_eq!(labels, ["nine", "zero"]);
    }
}
