//! What hyper-parameters of the official code say, as settings of ours.
//!
//! What changes the function that a network computes is either translated or refused by name: nothing
//! is guessed. What matters to training alone is taken over where there is the same here.

use anyhow::{Context, Result, bail, ensure};
use program::output::note;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

/// A section of hyper-parameters, key by key.
struct Section {
    /// Where it is, for messages: `model.layer`.
    path: String,
    left: Map<String, Json>,
}

impl Section {
    fn of(hyper: &Json, path: &str) -> Result<Self> {
        let value = path.split('.').try_fold(hyper, |value, key| value.get(key));
        match value {
            Some(Json::Object(map)) => Ok(Self { path: path.to_owned(), left: map.clone() }),
            _ => bail!("hyper_parameters.{path} is missing, or no section"),
        }
    }

    /// The value of `key`; none where it is absent or null.
    fn take(&mut self, key: &str) -> Option<Json> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// What is called by name: a text, or a section with a `_name_`.
    fn name(&mut self, key: &str) -> Result<Option<String>> {
        let path = format!("{}.{key}", self.path);
        self.take(key).map(|value| name_of(&path, &value)).transpose()
    }

    /// Copies `keys` to `table` under the same names.
    fn copy(&mut self, keys: &[&str], table: &mut Table) -> Result<()> {
        for &key in keys {
            if let Some(value) = self.take(key) {
                table.insert(key.to_owned(), plain(&value).context(key.to_owned())?);
            }
        }
        Ok(())
    }

    /// Makes sure that `key` is absent, null, or one of these values, under which it does nothing.
    fn only(&mut self, key: &str, allowed: &[Json]) -> Result<()> {
        match self.take(key) {
            Some(value) if !allowed.contains(&value) => bail!(
                "hyper_parameters.{}.{key} is {value}, for which there is no network here{}",
                self.path,
                match allowed {
                    [] => "; it could only be left out".to_owned(),
                    [one, ..] => format!("; it could only be {one}"),
                }
            ),
            _ => Ok(()),
        }
    }

    /// Passes over keys that change nothing in what the network computes.
    fn pass_over(&mut self, keys: &[&str]) {
        keys.iter().for_each(|key| drop(self.left.remove(*key)));
    }

    /// Refuses what is left.
    fn finish(mut self) -> Result<()> {
        self.left.retain(|key, value| !value.is_null() && key != "_name_");
        let unknown: Vec<_> =
            self.left.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        ensure!(
            unknown.is_empty(),
            "hyper_parameters.{} has settings that are not known here: {}. If they change nothing, give \
             the settings of the network with --config",
            self.path,
            unknown.join(", ")
        );
        Ok(())
    }
}

/// The name of what is called by name at `path`.
fn name_of(path: &str, value: &Json) -> Result<String> {
    let name = value.as_str().or_else(|| value.get("_name_")?.as_str());
    name.map(str::to_owned).with_context(|| format!("hyper_parameters.{path} has no name: {value}"))
}

/// A JSON value as TOML's, without what is null.
fn plain(json: &Json) -> Result<Value> {
    Ok(match json {
        Json::Null => bail!("null has no meaning here"),
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().context("a number is too large")?),
        },
        Json::String(text) => match text.as_str() {
            "inf" => Value::Float(f64::INFINITY),
            _ => Value::String(text.clone()),
        },
        Json::Array(values) => Value::Array(values.iter().map(plain).collect::<Result<_>>()?),
        Json::Object(map) => {
            let given = map.iter().filter(|(_, value)| !value.is_null());
            let entries = given.map(|(key, value)| Ok((key.clone(), plain(value)?)));
            Value::Table(entries.collect::<Result<_>>()?)
        }
    })
}

/// `[model]` of an experiment.
///
/// # Errors
/// If there is no such network here; the message names the setting.
pub fn model(hyper: &Json) -> Result<Table> {
    let mut model = Section::of(hyper, "model")?;
    let name = model.name("_name_")?.context("hyper_parameters.model has no _name_")?;
    let mut table = Table::new();
    let transposed = model.left.get("transposed").and_then(Json::as_bool);
    match name.as_str() {
        "model" => stack(&mut model, transposed.unwrap_or(false), &mut table)?,
        "sashimi" => sashimi(&mut model, &mut table)?,
        other => bail!(
            "hyper_parameters.model._name_ is \"{other}\"; what can be imported are \"model\" (stacks) \
             and \"sashimi\""
        ),
    }
    model.only("residual", &["R".into(), "residual".into()])?;
    model.copy(&["d_model", "n_layers", "dropout"], &mut table)?;
    table.entry("n_layers").or_insert(1.into());
    model.pass_over(&["transposed", "initializer", "track_norms", "tie_dropout", "layer"]);
    model.finish()?;
    table.insert("layer".to_owned(), layer(hyper)?.into());
    if let Some(pooling) = pooling(hyper)? {
        table.insert("pooling".to_owned(), pooling.into());
    }
    encoder(hyper)?;
    Ok(table)
}

fn stack(model: &mut Section, transposed: bool, table: &mut Table) -> Result<()> {
    table.insert("backbone".to_owned(), "s4".into());
    let norm = match model.name("norm")?.as_deref() {
        Some("layer") if transposed => "scalar".to_owned(),
        Some(name) => name.to_owned(),
        None => "none".to_owned(),
    };
    table.insert("norm".to_owned(), norm.into());
    table.insert("prenorm".to_owned(), true.into());
    model.copy(&["prenorm"], table)?;
    if let Some(tied) = model.take("tie_dropout").and_then(|value| value.as_bool()) {
        table.insert("tie_dropout".to_owned(), tied.into());
    }
    model.only("bidirectional", &[false.into()])?;
    model.only("n_repeat", &[1.into()])?;
    model.pass_over(&["dropinp"]);
    if let Some(pool) = model.take("pool") {
        let is_one = |key: &str| pool.get(key).is_none_or(|value| value.is_null() || *value == 1);
        ensure!(
            is_one("stride") && is_one("expand"),
            "hyper_parameters.model.pool is {pool}, for which there is no network here; its stride \
             could only be 1"
        );
    }
    Ok(())
}

fn sashimi(model: &mut Section, table: &mut Table) -> Result<()> {
    table.insert("backbone".to_owned(), "sashimi".into());
    table.insert("variant".to_owned(), "audio".into());
    for (key, default) in [("pool", Value::Array(vec![])), ("expand", 1.into()), ("ff", 2.into())] {
        table.insert(key.to_owned(), default);
    }
    model.copy(&["pool", "expand", "ff"], table)?;
    model.only("prenorm", &[true.into()])?;
    model.only("norm", &["layer".into()])?;
    model.only("interp", &[0.into(), false.into()])?;
    model.only("act_pool", &[])?;
    model.only("center_layer", &[])?;
    model.only("skip_first_res", &[false.into()])?;
    model.only("transposed", &[true.into()])?;
    model.pass_over(&["dropres"]);
    Ok(())
}

/// `[model.layer]`.
fn layer(hyper: &Json) -> Result<Table> {
    let mut layer = Section::of(hyper, "model.layer")?;
    let name = layer.name("_name_")?.context("hyper_parameters.model.layer has no _name_")?;
    ensure!(
        name == "s4",
        "hyper_parameters.model.layer._name_ is \"{name}\"; only layers \"s4\" can be imported"
    );
    let mut table = Table::new();
    layer.copy(&["bidirectional", "channels", "l_max"], &mut table)?;
    // Null means none; what is absent is as the official code has it.
    let is_null = |layer: &Section, key| layer.left.get(key).is_some_and(Json::is_null);
    let default = if is_null(&layer, "activation") { "id" } else { "gelu" };
    let name = layer.name("activation")?;
    table.insert("activation".to_owned(), activation(name.as_deref().unwrap_or(default)).into());
    let default = if is_null(&layer, "final_act") { "none" } else { "glu" };
    let (last, older) = (layer.name("final_act")?, layer.name("postact")?);
    let name = older.or(last);
    table.insert("final_act".to_owned(), activation(name.as_deref().unwrap_or(default)).into());
    for key in ["gate", "bottleneck", "mult_act", "kernel"] {
        layer.only(key, &[])?;
    }
    layer.only("weight_norm", &[false.into()])?;
    layer.only("layer", &["fftconv".into()])?;
    layer.only("swap_channels", &[false.into()])?;
    let mut ssm = Table::new();
    layer.copy(
        &[
            "mode",
            "d_state",
            "n_ssm",
            "init",
            "init_args",
            "rank",
            "dt_min",
            "dt_max",
            "dt_tie",
            "dt_transform",
            "dt_fast",
            "real_transform",
            "imag_transform",
            "disc",
            "bandlimit",
            "is_real",
            "lr",
        ],
        &mut ssm,
    )?;
    if let Some(measure) = layer.name("measure")? {
        ssm.insert("init".to_owned(), measure.into());
    }
    table.insert("ssm".to_owned(), ssm.into());
    layer.pass_over(&[
        "gate_act",
        "initializer",
        "tie_dropout",
        "dropout",
        "transposed",
        "drop_kernel",
        "deterministic",
        "verbose",
        "wd",
        "backend",
    ]);
    layer.finish()?;
    Ok(table)
}

/// The names of an activation that the official code takes for one another.
fn activation(name: &str) -> &str {
    match name {
        "swish" => "silu",
        "identity" | "linear" => "id",
        other => other,
    }
}

fn encoder(hyper: &Json) -> Result<()> {
    let Some(encoder) = hyper.get("encoder").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    match name_of("encoder", encoder)?.as_str() {
        "embedding" | "linear" => Ok(()),
        other => bail!(
            "hyper_parameters.encoder is \"{other}\"; what can be imported are \"embedding\" and \
             \"linear\""
        ),
    }
}

/// What of a sequence is classified.
fn pooling(hyper: &Json) -> Result<Option<String>> {
    let Some(given) = hyper.get("decoder").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let name = name_of("decoder", given)?;
    if given.is_string() {
        return Ok(None);
    }
    let mut decoder = Section::of(hyper, "decoder")?;
    match name.as_str() {
        "sequence" => {}
        "retrieval" => {
            decoder.only("nli", &[true.into()])?;
            decoder.only("activation", &["gelu".into()])?;
            decoder.only("d_model", &[])?;
        }
        other => bail!(
            "hyper_parameters.decoder is \"{other}\"; what can be imported are \"sequence\" and \
             \"retrieval\""
        ),
    }
    let pooling = decoder.name("mode")?;
    // Without lengths the official decoder takes padding for a part of texts.
    let is_text = hyper
        .get("encoder")
        .is_some_and(|encoder| name_of("encoder", encoder).is_ok_and(|name| name == "embedding"));
    let is_stack = hyper["model"]["_name_"] == "model";
    let uses = decoder.take("use_lengths").unwrap_or((name == "retrieval").into());
    ensure!(
        !(is_text && is_stack) || uses == true,
        "hyper_parameters.decoder.use_lengths is {uses}: that network takes padding for a part of its \
         texts, and there is none such here"
    );
    decoder.pass_over(&["l_output"]);
    decoder.finish()?;
    Ok(pooling)
}

/// Says so where there were averages of weights, which a state dict has not.
pub fn tell_of_averages(hyper: &Json) {
    if hyper["train"]["ema"].as_f64().is_some_and(|decay| decay > 0.0) {
        note(
            "its training averaged weights, which are not in its state dict: these are the last ones, \
             not the averages",
        );
    }
}

/// `[train]`, as far as it is the same here: rate, decay, batch size, schedule, seed.
pub fn train(hyper: &Json) -> Table {
    let at = |path: &str| path.split('.').try_fold(hyper, |value, key| value.get(key));
    let int = |path: &str| at(path)?.as_u64().filter(|&n| n > 0).map(|n| Value::Integer(n as i64));
    let real = |path: &str| at(path)?.as_f64().map(Value::Float);
    let (mut table, mut optimizer) = (Table::new(), Table::new());
    for (key, path) in [("batch_size", "loader.batch_size"), ("epochs", "trainer.max_epochs")] {
        table.extend(int(path).map(|value| (key.to_owned(), value)));
    }
    table.extend(int("train.seed").map(|value| ("seed".to_owned(), value)));
    for (key, path) in [("lr", "optimizer.lr"), ("weight_decay", "optimizer.weight_decay")] {
        optimizer.extend(real(path).map(|value| (key.to_owned(), value)));
    }
    if !optimizer.is_empty() {
        table.insert("optimizer".to_owned(), optimizer.into());
    }
    let warmup = int("scheduler.num_warmup_steps");
    let total = int("scheduler.num_training_steps");
    let schedule: Option<Table> = match at("scheduler._name_").and_then(Json::as_str) {
        Some(name @ ("cosine_warmup" | "linear_warmup")) => {
            warmup.zip(total).map(|(warmup, total)| {
                [("name", name.into()), ("warmup_steps", warmup), ("total_steps", total)]
                    .map(|(key, value)| (key.to_owned(), value))
                    .into_iter()
                    .collect()
            })
        }
        Some("plateau") => {
            let given =
                [("factor", real("scheduler.factor")), ("patience", int("scheduler.patience"))];
            let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Some([("name".to_owned(), "plateau".into())].into_iter().chain(given).collect())
        }
        _ => None,
    };
    table.extend(schedule.map(|schedule| ("schedule".to_owned(), schedule.into())));
    table
}

/// Puts what weights say of a network, [`crate::shapes::model`], in the place of what a preset says.
pub fn lay_shapes_over(preset: &mut Table, shapes: Table) {
    let ssm = ["model", "layer", "ssm"]
        .iter()
        .try_fold(&mut *preset, |table, key| table.get_mut(*key)?.as_table_mut());
    if let Some(ssm) = ssm {
        ssm.remove("n_ssm");
    }
    lay_over(preset, [("model".to_owned(), shapes.into())].into_iter().collect());
}

/// Puts the settings of `upper` in the place of those of `lower`, section by section; a section of
/// another `name` as a whole.
pub fn lay_over(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !above.contains_key("name") => {
                lay_over(below, above);
            }
            (_, value) => drop(lower.insert(key, value)),
        }
    }
}
