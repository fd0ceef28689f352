//! Tasks on language and on the density of pictures: from files to tokens.

use std::path::Path;

use datasets::batch::{Labels, Sequences};
use datasets::metric::Metric;
use datasets::shape::Target;
use datasets::split::Split;
use datasets::tasks::{self, Splits, language};
use toml::Table;

use crate::text_files::write;

fn open(task: &str, folder: &Path, settings: &str) -> Splits {
    let mut data: Table = settings.parse().unwrap();
    data.insert("dir".to_owned(), folder.display().to_string().into());
    tasks::find(task).unwrap().open(&data, false).unwrap()
}

/// All that a split asks for.
fn asked(split: &Split) -> Vec<i64> {
    let windows = (0..split.len()).map(|index| split.example(index).unwrap().sequences.remove(0));
    let tokens = windows.flat_map(|window| match window {
        Sequences::Tokens(tokens) => tokens.into_iter().skip(1),
        _ => panic!("expected tokens"),
    });
    tokens.collect()
}

#[test]
fn words_are_those_of_the_training_text_and_every_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (parts, texts) =
        (["train", "valid", "test"], [" = A =\n\nthe <unk> the\n", "the new\n", "A"]);
    for (part, text) in parts.iter().zip(texts) {
        write(&folder.path().join(format!("wikitext-2/wiki.{part}.tokens")), text);
    }
    let splits = open("wikitext-2", folder.path(), "length = 3");
    // <eos>, =, the, A, <unk>
    assert_eq!(splits.shape.target, Target::PerPosition { vocabulary: 5 });
    assert_eq!(asked(&splits.train), [1, 3, 1, 0, 0, 2, 4, 2, 0]);
    assert_eq!((asked(&splits.val), asked(&splits.test)), (vec![2, 4, 0], vec![3, 0]));
    assert_eq!((splits.train.len(), splits.train.is_stream()), (3, true));

    // What is kept with a run reads other texts in the same way.
    let task = tasks::find("wikitext-2").unwrap();
    let vocabulary = language::vocabulary(task, &splits.config).unwrap();
    assert_eq!(vocabulary.encode(b"the other"), [2, 4]);
    assert_eq!((task.metric)(&splits.config), Some(Metric::PERPLEXITY));
    let letters = open("wikitext-2", folder.path(), "unit = \"characters\"\ncarry = false");
    assert_eq!((task.metric)(&letters.config), Some(Metric::BITS_PER_CHARACTER));
    assert!(!letters.train.is_stream());

    let missing = task.open(&"dir = \"nowhere\"".parse().unwrap(), false).err().unwrap();
    assert!(format!("{missing:#}").contains("fetch-data wikitext-2"), "{missing:#}");
}

#[test]
fn the_last_tenth_of_shakespeare_is_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = ('a'..='t').collect();
    write(&folder.path().join("tinyshakespeare/input.txt"), &text);
    let splits = open("shakespeare", folder.path(), "");
    assert_eq!(asked(&splits.train), (1..=18).collect::<Vec<_>>());
    // Of which the training text has none.
    assert_eq!((asked(&splits.val), asked(&splits.test)), (vec![0, 0], vec![0, 0]));
}

#[test]
fn each_file_of_a_folder_gives_to_all_parts() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("b.txt"), "0123456789");
    write(&folder.path().join("a/a.md"), "ééééé");
    std::fs::write(folder.path().join("c.bin"), [0xff, 0xfe]).unwrap();
    let splits = open("folder-text", folder.path(), "");
    let vocabulary =
        language::vocabulary(tasks::find("folder-text").unwrap(), &splits.config).unwrap();
    let text = |split: &Split| {
        let tokens: Vec<u32> = asked(split).into_iter().map(|token| token as u32).collect();
        vocabulary.decode(&tokens)
    };
    assert_eq!(text(&splits.train), "éééé01234567");
    // Borders do not cut a character of two bytes.
    assert_eq!(
        (text(&splits.val), text(&splits.test)),
        ("é8".replace('8', "\u{fffd}"), "\u{fffd}".to_owned())
    );
    assert!(splits.findings.left_out().contains("bin"), "{}", splits.findings.left_out());

    let bytes = open("folder-text", folder.path(), "unit = \"bytes\"");
    assert_eq!(bytes.shape.target, Target::PerPosition { vocabulary: 256 });
    assert!(asked(&bytes.test).contains(&0xfe), "all files have bytes");
}

#[test]
fn pictures_are_sequences_of_their_bytes() {
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lra-bench/tests/data/mnist");
    let splits = open("mnist-density", &mnist, "");
    let batch = splits.test.batch(&[0, 1]).unwrap();
    assert_eq!((batch.length, batch.lengths, batch.labels), (785, None, Labels::Next));
    let digits = open("smnist", &mnist, "").test.batch(&[0]).unwrap();
    let (Sequences::Tokens(tokens), Sequences::Bytes(bytes)) = (batch.sequences, digits.sequences)
    else {
        panic!("tokens and bytes");
    };
    assert!(tokens[0] == 0 && tokens[1..785].iter().zip(&bytes).all(|(&t, &b)| t == i64::from(b)));
    assert!(!splits.train.is_stream());
}
