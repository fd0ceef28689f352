//! Generated signals: what is in an example, and what is asked of it.

use datasets::batch::{Label, Labels, Sequences};
use datasets::shape::Target;
use datasets::tasks;
use s4_config::Input;

fn message(task: &str, data: &str) -> String {
    let opened = tasks::find(task).unwrap().open(&data.parse().unwrap(), false);
    format!("{:#}", opened.err().unwrap())
}

#[test]
fn what_is_copied_stands_at_the_beginning() {
    let task = tasks::find("copying").unwrap();
    let data = "symbols = 4\nblanks = 3\nkinds = 5\ncount = 200\neval_count = 20";
    let splits = task.open(&data.parse().unwrap(), false).unwrap();
    assert_eq!(splits.shape.input, Input::Tokens { vocabulary: 5 });
    assert_eq!(splits.shape.target, Target::LastTokens { vocabulary: 5, positions: 4 });
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (200, 20, 20));
    let mut counts = [0; 5];
    for index in 0..200 {
        let example = splits.train.example(index).unwrap();
        let [Sequences::Tokens(tokens)] = &example.sequences[..] else { panic!("{example:?}") };
        assert_eq!(tokens[4..], [0, 0, 0, 4, 4, 4, 4], "blanks, then markers");
        assert_eq!(example.label, Label::LastTokens(tokens[..4].to_vec()));
        tokens[..4].iter().for_each(|&token| counts[token as usize] += 1);
    }
    let [blank, symbols @ .., marker] = counts;
    assert_eq!((blank, marker), (0, 0));
    // Of 800 that are drawn from three: 267, with a deviation of 13.
    assert!(symbols.iter().all(|count| (200..333).contains(count)), "{symbols:?}");

    let batch = splits.test.batch(&[3, 5]).unwrap();
    assert_eq!((batch.length, &batch.lengths), (11, &None));
    let Labels::LastTokens { tokens, positions: 4 } = &batch.labels else { panic!("{batch:?}") };
    assert_eq!(tokens.len(), 8);
    let again = task.open(&splits.config, false).unwrap().test.batch(&[3, 5]).unwrap();
    assert_eq!(again, batch);
    let [train, test] = [&splits.train, &splits.test].map(|split| split.batch(&[0, 1, 2]).unwrap());
    assert_ne!(train.labels, test.labels);
}

#[test]
fn what_cannot_be_copied_is_refused() {
    for (data, words) in [
        ("symbols = 0", "data.symbols is 0"),
        ("kinds = 3", "data.kinds is 3"),
        ("blanks = 16777215", "of at most 16777215"),
        ("count = 0", "at least 1"),
    ] {
        let message = message("copying", data);
        assert!(message.contains(words), "{message}");
    }
}
