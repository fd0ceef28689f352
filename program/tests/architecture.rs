//! ARCHITECTURE.md's figure of the crates, compared with their `Cargo.toml` files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

/// What every crate on libtorch needs at build time; the figure leaves it out.
const UNDRAWN: &str = "libtorch-check";

fn manifest(folder: &str) -> Table {
    let path = Path::new("..").join(folder).join("Cargo.toml");
    fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn the_figure_has_every_crate_and_its_arrows_which_point_down() {
    let workspace = manifest(".");
    let members: BTreeSet<&str> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    let page = fs::read_to_string("../ARCHITECTURE.md").unwrap();
    let figure = page.split("```").nth(1).unwrap();
    let mut drawn: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for line in figure.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if members.contains(first) {
            drawn.push((first, BTreeSet::new()));
        } else if let Some((_, targets)) = line.split_once('→') {
            drawn.last_mut().unwrap().1.extend(targets.split_whitespace());
        }
    }
    let names: BTreeSet<&str> = drawn.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, members);
    for (row, (name, arrows)) in drawn.iter().enumerate() {
        let manifest = manifest(name);
        let dependencies: BTreeSet<&str> = manifest
            .get("dependencies")
            .and_then(Value::as_table)
            .into_iter()
            .flat_map(Table::keys)
            .map(String::as_str)
            .filter(|&other| members.contains(other) && other != UNDRAWN)
            .collect();
        assert_eq!(*arrows, dependencies, "{name}");
        let below: BTreeSet<&str> = drawn[row + 1..].iter().map(|(name, _)| *name).collect();
        assert!(arrows.is_subset(&below), "{name} has an arrow that points up");
    }
}
