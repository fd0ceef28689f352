//! A configuration with every key explained.

use std::collections::BTreeMap;

use program::config::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it is called.
    name: String,
    /// Upper limit, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    /// Sizes, from [`Config::name`] on.
    sizes: Vec<i64>,
    /// The network.
    model: Model,
    /// How the rate changes.
    schedule: Schedule,
    /// What is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<Extra>,
    /// What is asked for by name.
    #[schemars(with = "BTreeMap<String, i64>")]
    names: Table,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Model {
    /// Which kind. It is chosen once and for all, so that everything that has been said about it
    /// stays true.
    kind: Kind,
    /// `slow` or `fast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speed: Option<Speed>,
    /// One rate, or a rate each.
    rate: Rate,
    /// Layers.
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Layer {
    width: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Dense.
    Dense,
    #[serde(untagged)]
    Other(Speed),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Speed {
    Slow,
    Fast,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Rate {
    One(f64),
    Each {
        /// Of the first.
        first: f64,
        /// Of the others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<f64>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case")]
enum Schedule {
    Constant {},
    WarmUp {
        /// Steps until the full rate.
        steps: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Extra {
    /// How many.
    count: i64,
}

impl Default for Extra {
    fn default() -> Self {
        Self { count: 3 }
    }
}

fn config() -> Config {
    Config {
        name: "a \"b\"\nc".to_owned(),
        limit: None,
        sizes: vec![1, 2],
        model: Model {
            kind: Kind::Other(Speed::Fast),
            speed: None,
            rate: Rate::One(0.5),
            layers: vec![Layer { width: 3 }],
        },
        schedule: Schedule::WarmUp { steps: 5 },
        extra: None,
        names: "\"a b\" = 1\nc = { d = true }".parse().unwrap(),
    }
}

#[test]
fn every_key_is_explained() {
    let text = commented(&Config { name: "a".to_owned(), ..config() }, &[]).unwrap();
    let expected = r#"name = "a"  # What it is called.
# limit = ...  # Upper limit, in seconds.
sizes = [1, 2]  # Sizes, from `Config::name` on.

[model]  # The network.

# Which kind. It is chosen once and for all, so that everything that has been said about it
# stays true. One of "dense", "slow", "fast".
kind = "fast"
# speed = ...  # `slow` or `fast`.
rate = 0.5  # One rate, or a rate each.
layers = [{ width = 3 }]  # Layers.

[schedule]  # How the rate changes.
name = "warm_up"  # One of "constant", "warm_up".
steps = 5  # Steps until the full rate.

# [extra]  # What is left out.
# count = 3  # How many.

[names]  # What is asked for by name.
"a b" = 1

[names.c]
d = true
"#;
    assert_eq!(text, expected);
}

#[test]
fn the_text_parses_back() {
    let given = config();
    let full = Config {
        limit: Some(f64::INFINITY),
        model: Model {
            kind: Kind::Dense,
            speed: Some(Speed::Slow),
            rate: Rate::Each { first: 1e-8, other: Some(2.0) },
            layers: vec![],
        },
        schedule: Schedule::Constant {},
        extra: Some(Extra { count: 4 }),
        names: Table::new(),
        ..given.clone()
    };
    for config in [given, full] {
        let text = commented(&config, &[]).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
        assert_eq!(commented(&config, &[]).unwrap(), text);
    }
}

#[test]
fn sections_of_a_type_known_at_run_time_are_explained() {
    let config = Config { names: "count = 4".parse().unwrap(), ..config() };
    let text = commented(&config, &[("names", schema::<Extra>())]).unwrap();
    let section = "[names]  # What is asked for by name.\ncount = 4  # How many. Default: 3.\n";
    assert!(text.ends_with(section), "{text}");
}

#[test]
fn variants_explain_their_own_keys() {
    let mut config = config();
    config.model.rate = Rate::Each { first: 0.1, other: None };
    let text = commented(&config, &[]).unwrap();
    let section = "[model.rate]  # One rate, or a rate each.\nfirst = 0.1  # Of the first.\n\
                       # other = ...  # Of the others.\n";
    assert!(text.contains(section), "{text}");
}
