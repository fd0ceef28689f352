//! A configuration as TOML with every key explained.

use anyhow::Result;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value as Json;
use toml::{Table, Value};

/// The longest line, in characters, in which a comment stands beside its key.
const COLUMNS: usize = 100;

/// `config` as TOML that explains every key: the documentation of its field as a comment, with the
/// choices where there are some, and the default where it is another. Keys and sections that
/// `config` leaves out are there as comments. Parses back to an equal value.
///
/// `sections` are those whose type another setting decides, by name, with the type's [`schema`].
///
/// # Errors
/// If `config` has what TOML cannot express.
pub fn commented<T: Serialize + JsonSchema>(
    config: &T,
    sections: &[(&str, Schema)],
) -> Result<String> {
    let table = super::to_table(config)?;
    let mut schema = schema::<T>().to_value();
    for (name, section) in sections {
        schema["properties"][name]["properties"] = section.as_value()["properties"].clone();
    }
    let mut text = String::new();
    write_section(&mut text, "", Some(&table), &schema);
    Ok(text.trim_start().to_owned())
}

/// The settings of a type, with their documentation and defaults.
pub fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}

/// Appends the keys of a section and then the sections inside it, as comments without a `table`.
fn write_section(text: &mut String, path: &str, table: Option<&Table>, schema: &Json) {
    let known = properties(schema, table);
    let given = table.into_iter().flat_map(Table::keys);
    let unknown = given.filter(|key| known.iter().all(|(name, _)| name != key));
    let all = known.iter().copied().chain(unknown.map(|key| (key.as_str(), &Json::Null)));
    let mut sections = Vec::new();
    for (key, property) in all {
        let value = table.and_then(|table| table.get(key));
        let is_section = match value {
            Some(value) => value.is_table(),
            None => is_object(property),
        };
        if is_section {
            sections.push((key, value.and_then(Value::as_table), property));
        } else {
            // The alternatives of a tagged enum have a constant each.
            let tag = |schema: &Json| schema["properties"][key]["const"].as_str().map(quoted);
            let choices = if property["const"].is_null() {
                choices(property)
            } else {
                alternatives(schema).into_iter().filter_map(tag).collect()
            };
            // The section's own default goes before that of the field's type.
            let defaults = [&schema["default"][key], &property["default"]];
            let default = defaults.into_iter().find_map(|json| Value::try_from(json).ok());
            let setting = match (value, &default) {
                (Some(value), _) => format!("{} = {value}", bare_or_quoted(key)),
                (None, Some(default)) => format!("# {key} = {default}"),
                (None, None) => format!("# {key} = ..."),
            };
            let other = default.filter(|default| value.is_some_and(|value| value != default));
            write_setting(text, &setting, &comment(property, &choices, other.as_ref()));
        }
    }
    for (key, table, property) in sections {
        let key = bare_or_quoted(key);
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        let off = if table.is_none() { "# " } else { "" };
        text.push('\n');
        write_setting(text, &format!("{off}[{path}]"), &comment(property, &[], None));
        write_section(text, &path, table, property);
    }
}

/// Appends `setting` with its comment beside it, or above it where that is too long.
fn write_setting(text: &mut String, setting: &str, comment: &str) {
    let beside = format!("{setting}  # {comment}");
    if comment.is_empty() {
        text.push_str(setting);
    } else if !beside.contains('\n') && beside.chars().count() <= COLUMNS {
        text.push_str(&beside);
    } else {
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
        for line in comment.lines() {
            text.push_str(format!("# {line}").trim_end());
            text.push('\n');
        }
        text.push_str(setting);
    }
    text.push('\n');
}

/// The documentation of a field, with its choices and its default unless it names them.
fn comment(schema: &Json, choices: &[String], default: Option<&Value>) -> String {
    let mut text = schema["description"].as_str().unwrap_or_default().to_owned();
    let named = |choice: &String| text.contains(&format!("`{}`", choice.trim_matches('"')));
    if !choices.iter().all(named) {
        append(&mut text, &format!("One of {}.", choices.join(", ")));
    }
    if let Some(default) = default.filter(|_| !text.contains("Default:")) {
        append(&mut text, &format!("Default: {default}."));
    }
    // Links are for the documentation alone.
    text.replace("[`", "`").replace("`]", "`")
}

/// Appends a sentence, on a line of its own where the last one is full.
fn append(text: &mut String, sentence: &str) {
    let last = text.lines().last().unwrap_or_default().chars().count();
    match last {
        0 => {}
        _ if last + sentence.len() + 3 > COLUMNS => text.push('\n'),
        _ => text.push(' '),
    }
    text.push_str(sentence);
}

/// The alternatives that a schema allows: itself, where it has no others.
fn alternatives(schema: &Json) -> Vec<&Json> {
    match schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        Some(all) => all.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

/// The strings that a schema allows, where it is an enum.
fn choices(schema: &Json) -> Vec<String> {
    let of_one = |schema: &Json| match &schema["const"] {
        Json::Null => schema["enum"].as_array().cloned().unwrap_or_default(),
        only => vec![only.clone()],
    };
    let all: Vec<Json> = alternatives(schema).into_iter().flat_map(of_one).collect();
    all.iter().filter_map(|choice| choice.as_str().map(quoted)).collect()
}

/// The fields of a struct, or of the variant of an enum that `table` is.
fn properties<'a>(schema: &'a Json, table: Option<&Table>) -> Vec<(&'a str, &'a Json)> {
    let is_it = |schema: &&Json| {
        let given = |key: &str| table.and_then(|table| table.get(key));
        let fields = schema["properties"].as_object().into_iter().flatten();
        let required = schema["required"].as_array().into_iter().flatten();
        is_object(schema)
            && required.filter_map(Json::as_str).all(|key| table.is_none() || given(key).is_some())
            && fields.into_iter().all(|(key, field)| {
                field["const"].is_null()
                    || given(key).and_then(Value::as_str) == field["const"].as_str()
            })
    };
    let variant = alternatives(schema).into_iter().find(is_it);
    let variant = variant.filter(|variant| !std::ptr::eq(*variant, schema));
    let fields = [Some(schema), variant].into_iter().flatten().map(|schema| &schema["properties"]);
    fields.filter_map(Json::as_object).flatten().map(|(key, field)| (key.as_str(), field)).collect()
}

fn is_object(schema: &Json) -> bool {
    let kind = &schema["type"];
    kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&"object".into()))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn bare_or_quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}
