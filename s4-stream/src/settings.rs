//! The settings of a network, and which of them have no steps.

use anyhow::{Result, bail, ensure};
use s4_config::{
    Backbone, DiffusionConfig, Discretisation, Mode, NetworkConfig, S4BlockConfig, SsmConfig,
};
use serde::Deserialize;

/// A run's `config.toml`, of which nothing else is read.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model: NetworkConfig,
    #[serde(default)]
    data: Data,
    diffusion: Option<DiffusionConfig>,
}

#[derive(Default, Deserialize)]
struct Data {
    /// What the outputs are, where they are values.
    #[serde(default)]
    values: Vec<Quantity>,
}

/// A value that a network was trained to give, standardised.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Quantity {
    pub name: String,
    pub mean: f64,
    pub std: f64,
}

/// Reads `[model]` of the TOML `text`, whose backbone is `default` where it names none, and the
/// quantities that `[data]` says the outputs are.
///
/// # Errors
/// If a key is unknown or its value is not allowed, or if the network has no steps.
pub(crate) fn read(text: &str, default: Backbone) -> Result<(NetworkConfig, Vec<Quantity>)> {
    let File { model, data, diffusion } = toml::from_str(text)?;
    ensure!(
        diffusion.is_none(),
        "the run is of diffusion, which makes whole sounds out of noise and has no steps along them; \
         `sashimi generate` makes them"
    );
    let is_named = model.backbone.is_some();
    let model = check(model, default).map_err(|error| {
        let taken = || format!("without model.backbone this is read as \"{}\"", default.key());
        if is_named { error } else { error.context(taken()) }
    })?;
    Ok((model, data.values))
}

fn check(mut model: NetworkConfig, default: Backbone) -> Result<NetworkConfig> {
    let backbone = *model.backbone.get_or_insert(default);
    if let (true, [key, ..]) = (backbone.is_ssm(), &model.unused()[..]) {
        bail!("model.{key} means nothing to model.backbone = \"{}\"", backbone.key());
    }
    let model = model.complete(default);
    model.validate()?;
    check_steps(&model)?;
    Ok(model)
}

/// A size that [`NetworkConfig::validate`] has found in range, as slices have it.
pub(crate) fn size(checked: i64) -> usize {
    checked as usize
}

/// Refuses what cannot be stepped. Names every key, so that a new one is not passed over.
#[rustfmt::skip]
fn check_steps(config: &NetworkConfig) -> Result<()> {
    let NetworkConfig {
        condition, layer, forecast, learned_state,
        // Depth, width and wiring are stepped,
        wavenet: _, samplernn: _,
        backbone: _, d_model: _, n_layers: _, norm: _, prenorm: _, pool: _, expand: _, ff: _, ff_every: _,
        unet: _, variant: _, pooling: _, lags: _, logistics: _, adaptive: _,
        // these matter only to training,
        encoder: _, dropout: _, tie_dropout: _, kernel_method: _, recompute: _,
        // and these belong to other backbones.
        attention: _, recurrent: _, dilated: _, stacked_rnn: _, resnext: _,
    } = config;
    let S4BlockConfig {
        bidirectional, l_max, ssm,
        channels: _, activation: _, final_act: _,
        convolution: _,
    } = layer;
    let SsmConfig {
        mode, disc,
        d_state: _, n_ssm: _, rank: _, dt_tie: _, dt_transform: _, dt_fast: _,
        real_transform: _, imag_transform: _, bandlimit: _, is_real: _,
        init: _, init_args: _, dt_min: _, dt_max: _, lr: _,
    } = ssm;
    let backbone = config.backbone();
    ensure!(
        backbone.is_ssm() || matches!(backbone, Backbone::WaveNet | Backbone::SampleRnn),
        "model.backbone = \"{}\" cannot be stepped; \"s4\", \"sashimi\", \"wavenet\" and \
         \"samplernn\" can",
        backbone.key()
    );
    ensure!(
        forecast.is_none(),
        "model.forecast is about whole windows: `lra-bench predict` makes forecasts"
    );
    if !backbone.is_ssm() {
        return Ok(());
    }
    ensure!(!learned_state, "model.learned_state cannot be stepped: steps begin at zero");
    ensure!(condition.is_none(), "model.condition cannot be stepped: steps take inputs alone");
    ensure!(
        !bidirectional,
        "model.layer.bidirectional looks ahead: such a model cannot be stepped"
    );
    ensure!(
        l_max.is_none(),
        "model.layer.l_max cuts convolution kernels short, which a recurrence cannot"
    );
    ensure!(
        *mode == Mode::S4 || *disc != Discretisation::Dss,
        "model.layer.ssm.disc = \"dss\" depends on the length of the sequence, so it has no \
         recurrence; use the convolution"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use s4_config::{Activation, FinalAct, NormKind, Pooling};

    use super::*;

    fn model(text: &str, default: Backbone) -> Result<NetworkConfig> {
        let text = format!("[data]\nbits = 8\n[model]\n{text}\n[train]\nsteps = 5");
        Ok(read(&text, default)?.0)
    }

    #[test]
    fn keys_of_training_change_nothing() {
        let sashimi = "
            pool = [2]
            dropout = 0.1
            encoder = \"fourier\"
            recompute = true
            [model.layer]
            convolution = \"fft\"
            final_act = \"silu\"
            [model.layer.ssm]
            mode = \"diag\"
            lr = { dt = 0.001 }
        ";
        let config = model(sashimi, Backbone::Sashimi).unwrap();
        assert_eq!((config.width(), config.sashimi().pool), (64, vec![2]));
        assert_eq!(config.layer.ssm.mode, Mode::S4d);
        assert_eq!(config.layer.final_act, FinalAct::Pointwise(Activation::Silu));

        let stack = "
            norm = \"batch\"
            prenorm = true
            pooling = \"last\"
            dropout = 0.1
            kernel = \"paper\"
        ";
        let config = model(stack, Backbone::S4).unwrap();
        assert_eq!((config.d_model, config.n_layers), (Some(256), Some(6)));
        assert_eq!((config.norm, config.prenorm), (Some(NormKind::Batch), Some(true)));
        assert_eq!(config.pooling, Some(Pooling::Last));
    }

    #[test]
    fn what_cannot_be_stepped_is_named() {
        for (text, key) in [
            ("layer.bidirectional = true", "model.layer.bidirectional looks ahead"),
            ("backbone = \"s4\"\nlayer.l_max = 5", "model.layer.l_max cuts"),
            ("layer.ssm = { mode = \"s4d\", disc = \"dss\" }", "model.layer.ssm.disc = \"dss\""),
            ("condition = 3", "model.condition"),
            ("backbone = \"lstm\"", "model.backbone = \"lstm\""),
            ("mixer = \"lstm\"", "model.backbone = \"lstm\""),
            ("layer.ssm.d_state = 3", "d_state must be even"),
            ("pool = [0]", "pool"),
            ("norm = \"batch\"", "model.norm means nothing to model.backbone = \"sashimi\""),
            ("layer.slope = 2", "slope"),
            ("variant = \"other\"", "variant"),
        ] {
            let error = model(text, Backbone::Sashimi).unwrap_err();
            assert!(format!("{error:#}").contains(key), "{text}: {error:#}");
        }
    }

    #[test]
    fn a_new_key_of_the_model_is_refused_and_other_sections_are_not_read() {
        assert!(model("", Backbone::S4).is_ok());
        let error = model("slope = 2", Backbone::S4).unwrap_err();
        assert!(format!("{error:#}").contains("slope"), "{error:#}");
    }
}
