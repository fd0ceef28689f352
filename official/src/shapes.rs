//! What the names and shapes of weights say of the network that they are of, for files that hold no
//! settings.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use s4_core::state_dict::StateDict;
use toml::{Table, Value};

/// What goes in and comes out of a network, by its first and last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Different tokens that it takes; none where it takes numbers.
    pub tokens: Option<i64>,
    /// Numbers that it gives.
    pub outputs: i64,
}

/// What goes in and comes out.
///
/// # Errors
/// If there is no encoder or no decoder.
pub fn ends(weights: &StateDict) -> Result<Ends> {
    let encoder = size(weights, "encoder.weight").context("there is no encoder.0.weight")?;
    let decoder = ["decoder.output_transform.weight", "decoder.retrieval.classifier.2.weight"];
    let decoder = decoder.iter().find_map(|name| size(weights, name));
    let decoder = decoder.context("there is no decoder.0.output_transform.weight")?;
    let tokens = weights.get("encoder.bias").is_none().then(|| encoder.first().copied()).flatten();
    Ok(Ends { tokens, outputs: decoder.first().copied().unwrap_or(0) })
}

/// `[model]` as far as names and shapes tell: sizes, norms, and what kind of SSM it is. Where it has no
/// `n_ssm`, there is one system for each channel.
///
/// # Errors
/// If they are not those of a stack or of SaShiMi.
pub fn model(weights: &StateDict) -> Result<Table> {
    let is_sashimi = numbers(weights, "model.c_layers") > 0;
    let block = first_block(weights).context(
        "there is no S4 layer in its weights (…layer.layer.kernel.C): it is of another network, or of \
         a version of the code that cannot be imported",
    )?;
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    let width = size(weights, "encoder.weight").context("there is no encoder.0.weight")?;
    let tokens = weights.get("encoder.bias").is_none();
    let width = width.get(usize::from(tokens)).copied().context("its encoder has no width")?;
    set("d_model", width.into());
    if is_sashimi {
        set("backbone", "sashimi".into());
        set("variant", "audio".into());
        let (pool, expand) = pooling(weights, "model.d_layers", width)?;
        set("pool", pool);
        set("expand", expand.into());
        set("n_layers", blocks(weights, "model.c_layers").into());
        set("unet", (blocks(weights, "model.d_layers") > 0).into());
        let hidden = "model.c_layers.1.layer.ff.0.0.weight";
        let hidden = size(weights, hidden).filter(|size| size.len() == 2 && size[1] > 0);
        set("ff", hidden.map_or(0, |size| size[0] / size[1]).into());
    } else {
        set("backbone", "s4".into());
        set("n_layers", numbers(weights, "model.layers").into());
        set("prenorm", weights.names().any(|name| name.starts_with("model.norm.")).into());
        let has = |part: &str| weights.get(&format!("model.layers.0.norm.norm.{part}")).is_some();
        let norm = match (has("running_mean"), has("m"), has("weight")) {
            (true, ..) => "batch",
            (_, true, _) => "scalar",
            (.., true) => "layer",
            _ => "none",
        };
        set("norm", norm.into());
    }
    table.insert("layer".to_owned(), layer(weights, &block)?.into());
    Ok(table)
}

/// `[diffusion.network]` as far as names and shapes tell.
///
/// # Errors
/// If they are not those of a noise network.
pub fn noise_network(weights: &StateDict) -> Result<Table> {
    let size_of = |name: &str| {
        size(weights, name)
            .filter(|size| size.len() >= 2)
            .with_context(|| format!("there is no {name}"))
    };
    let width = size_of("init_conv.0.conv.weight_v")?[0];
    let is_wavenet = weights.names().any(|name| name.starts_with("residual_layer."));
    let place = if is_wavenet { "residual_layer." } else { "" };
    let (first, second) =
        (size_of(&format!("{place}fc_t1.weight"))?, size_of(&format!("{place}fc_t2.weight"))?);
    let mut network = Table::new();
    network.insert("embedding".to_owned(), first[1].into());
    let hidden = [first[0], second[0]].map(Value::Integer).to_vec();
    network.insert("hidden".to_owned(), Value::Array(hidden));
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    if is_wavenet {
        set("channels", width.into());
        set("skip", size_of("final_conv.0.conv.weight_v")?[0].into());
        set("layers", numbers(weights, "residual_layer.residual_blocks").into());
    } else {
        set("d_model", width.into());
        let (pool, expand) = pooling(weights, "d_layers", width)?;
        set("pool", pool);
        set("expand", expand.into());
        set("n_layers", blocks(weights, "c_layers").into());
        set("unet", (blocks(weights, "d_layers") > 0).into());
        let hidden = size_of("c_layers.0.ff.ff.0.conv.weight_v")?;
        set("ff", (hidden[0] / hidden[1].max(1)).into());
        let block = first_block(weights).context("there is no S4 layer in its weights")?;
        let Some(Value::Table(mut ssm)) = layer(weights, &block)?.remove("ssm") else {
            return Err(anyhow::anyhow!("its S4 layers have no SSM"));
        };
        ssm.insert("dt_transform".to_owned(), "exp".into());
        set("ssm", ssm.into());
    }
    let part = |suffix: &str| weights.iter().find(|(name, _)| name.ends_with(suffix));
    if let Some((_, map)) = part("mel_conv.conv.weight_v") {
        let bands = map.size().get(1).copied().context("its mel_conv has no bands")?;
        // A transposed convolution has filters of twice its factor.
        let factor = |number: usize| {
            let (_, filter) = part(&format!("upsample_conv2d.{number}.weight_v"))?;
            filter.size().last().map(|&length| Value::Integer(length / 2))
        };
        let factors = [factor(0), factor(1)].into_iter().collect::<Option<Vec<_>>>();
        let factors = factors.context("its upsample_conv2d are not two")?;
        let mut mel = Table::new();
        mel.insert("bands".to_owned(), bands.into());
        mel.insert("upsample".to_owned(), Value::Array(factors));
        // As all official weights were trained.
        mel.insert("cut".to_owned(), true.into());
        network.insert("mel".to_owned(), mel.into());
    }
    let backbone = if is_wavenet { "wavenet" } else { "sashimi" };
    network.insert("backbone".to_owned(), backbone.into());
    network.insert(backbone.to_owned(), table.into());
    Ok(network)
}

/// Sizes of the tensor `name`.
fn size(weights: &StateDict, name: &str) -> Option<Vec<i64>> {
    weights.get(name).map(|tensor| tensor.size())
}

/// How many numbers there are below `place`.
fn numbers(weights: &StateDict, place: &str) -> i64 {
    let number = |name: &str| -> Option<u64> {
        name.strip_prefix(place)?.strip_prefix('.')?.split('.').next()?.parse().ok()
    };
    weights.names().filter_map(number).collect::<BTreeSet<_>>().len() as i64
}

/// How many S4 layers there are below `place`.
fn blocks(weights: &StateDict, place: &str) -> i64 {
    let is_block = |name: &&str| name.starts_with(place) && name.ends_with(".kernel.C");
    weights.names().filter(is_block).count() as i64
}

/// What the names of the first S4 layer begin with, of its kernel and of its output.
fn first_block(weights: &StateDict) -> Option<(String, String)> {
    let name = weights.names().find(|name| name.ends_with("layer.kernel.C"))?;
    let kernel = name.strip_suffix(".C")?.to_owned();
    let block = kernel.strip_suffix(".kernel")?;
    // `layer.layer` of a stack is the SSM within the block; a noise network has no such level.
    let outer = block.strip_suffix(".layer")?;
    Some((kernel.clone(), format!("{outer}.output_linear.0.weight")))
}

/// Factors of the pools on the way down, and by how much each widens.
fn pooling(weights: &StateDict, place: &str, width: i64) -> Result<(Value, i64)> {
    let (mut pool, mut expand, mut width) = (Vec::new(), 1, width);
    for number in 0.. {
        let at = format!("{place}.{number}.");
        let own = [format!("{at}linear.weight_v"), format!("{at}linear.conv.weight_v")];
        match own.iter().find_map(|name| size(weights, name)).as_deref() {
            Some(&[output, input, ..]) if width > 0 && output > 0 => {
                pool.push(Value::Integer(input / width));
                (expand, width) = (output / width, output);
            }
            Some(_) => anyhow::bail!("{at}linear has no shape of a pool"),
            None if weights.names().any(|name| name.starts_with(&at)) => {}
            None => break,
        }
    }
    Ok((Value::Array(pool), expand))
}

/// `[model.layer]`.
fn layer(weights: &StateDict, (kernel, output): &(String, String)) -> Result<Table> {
    let part = |name: &str| size(weights, &format!("{kernel}.{name}"));
    let c = part("C").filter(|size| size.len() >= 3).context("its C has no shape of S4's")?;
    let (rows, width) = (c[0], c[1]);
    let (mut table, mut ssm) = (Table::new(), Table::new());
    let out = size(weights, output).filter(|size| size.len() >= 2 && width > 0);
    let channels = out.as_ref().map_or(1, |size| (size[1] / width).max(1));
    table.insert("channels".to_owned(), channels.into());
    table.insert("bidirectional".to_owned(), (rows == 2 * channels).into());
    let last = match &out {
        None => "none",
        Some(size) if size[0] == 2 * width => "glu",
        Some(_) => "id",
    };
    table.insert("final_act".to_owned(), last.into());
    let is_real = c.len() == 3;
    let mut set = |key: &str, value: Value| drop(ssm.insert(key.to_owned(), value));
    set("is_real", is_real.into());
    set("d_state", (c[2] * if is_real { 1 } else { 2 }).into());
    // One for each channel is no number where layers are of several widths.
    let shared = part("A_real").and_then(|size| size.first().copied());
    if let Some(shared) = shared.filter(|&shared| shared != width) {
        set("n_ssm", shared.into());
    }
    match part("P") {
        Some(p) => {
            set("mode", "s4".into());
            set("rank", p.first().copied().unwrap_or(1).into());
        }
        None => set("mode", "s4d".into()),
    }
    if let Some(&[_, steps]) = part("inv_dt").as_deref() {
        set("dt_tie", (steps == 1).into());
    }
    table.insert("ssm".to_owned(), ssm.into());
    Ok(table)
}

/// The length that C̃ is for, where all layers have one: the official `layer.l_max` of text.
pub fn l_kernel(weights: &StateDict) -> Option<i64> {
    let lengths = weights.iter().filter(|(name, _)| name.ends_with(".l_kernel"));
    let lengths = lengths.map(|(_, tensor)| (tensor.numel() == 1).then(|| tensor.int64_value(&[])));
    let lengths: Option<BTreeSet<i64>> = lengths.collect();
    lengths.filter(|all| all.len() == 1)?.pop_first().filter(|&length| length > 0)
}
