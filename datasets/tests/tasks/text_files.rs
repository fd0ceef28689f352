//! Small files in the official formats of ListOps, Text and Retrieval.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes a file and the folders it lies in.
pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Small files in the official format of a task below `dir`; returns one of them.
pub fn files(task: &str, dir: &Path) -> PathBuf {
    match task {
        "listops" => {
            for (name, rows) in [("train", 24), ("val", 9), ("test", 10)] {
                let mut text = "Source\tTarget\r\n".to_owned();
                for row in 0..rows {
                    let (a, b) = (row % 10, (row + name.len()) % 7);
                    let nested = "( ( ( [MIN 9 ) 8 ) ] )";
                    let value = (a + b + 8) % 10;
                    let expression = match row % 3 {
                        0 => format!("( ( ( ( [SM {a} ) {b} ) {nested} ) ] )"),
                        1 => format!("( ( ( ( ( [SM {a} ) {b} ) {nested} ) 0 ) ] )"),
                        _ => format!("( ( ( ( [SM {nested} ) {a} ) {b} ) ] )"),
                    };
                    text += &format!("{expression}\t{value}\r\n");
                }
                write(&dir.join(format!("listops-1000/basic_{name}.tsv")), &text);
            }
            dir.join("listops-1000/basic_val.tsv")
        }
        "text" => {
            for (part, count) in [("train", 20), ("test", 6)] {
                for number in 0..count {
                    let long = "very ".repeat(number % 5);
                    let folder = dir.join("aclImdb").join(part);
                    write(
                        &folder.join(format!("neg/{number}_2.txt")),
                        &format!("A {long}dull film.<br />"),
                    );
                    write(
                        &folder.join(format!("pos/{number}_9.txt")),
                        &format!("A {long}fine film!"),
                    );
                }
            }
            dir.join("aclImdb/train/neg/3_2.txt")
        }
        _ => {
            for (part, count) in [("train", 24), ("eval", 9), ("test", 10)] {
                let mut text = String::new();
                for row in 0..count {
                    let label = f64::from(row % 2);
                    let long = "of \"parsing\" ".repeat(row as usize % 4);
                    let second = if row % 2 == 1 { "trees" } else { "speech" };
                    text += &format!("{label:.1}\tP{row}\t{part}\ton {long}trees\ton {second}\n");
                }
                write(&dir.join(format!("tsv_data/new_aan_pairs.{part}.tsv")), &text);
            }
            dir.join("tsv_data/new_aan_pairs.eval.tsv")
        }
    }
}
