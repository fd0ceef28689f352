//! `[model]` of experiments: defaults, what is refused, other names, and what older runs have.

use s4_config::{
    AttentionConfig, Backbone, DilatedConfig, EncoderInit, Mode, NetworkConfig, NormKind, Pooling,
    RecurrentConfig, ResnextConfig, SampleRnnConfig, SsmRate, StackedRnnConfig, Variant,
    WaveNetConfig,
};
use serde::Deserialize;

const BACKBONES: [Backbone; 11] = [
    Backbone::S4,
    Backbone::Sashimi,
    Backbone::Transformer,
    Backbone::LinearAttention,
    Backbone::Lstm,
    Backbone::Gru,
    Backbone::Dilated,
    Backbone::WaveNet,
    Backbone::SampleRnn,
    Backbone::StackedRnn,
    Backbone::Resnext,
];

fn parse(text: &str) -> NetworkConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    match toml::from_str::<NetworkConfig>(text) {
        Ok(config) => match config.validate() {
            Ok(()) => panic!("{text} is accepted"),
            Err(error) => format!("{error:#}"),
        },
        Err(error) => error.to_string(),
    }
}

#[test]
fn nothing_is_s4_with_the_defaults() {
    let config = parse("");
    assert_eq!(config, NetworkConfig::default());
    assert_eq!((config.backbone(), config.name()), (Backbone::S4, "S4"));
    let stack = config.stack();
    assert_eq!((stack.d_model, stack.n_layers), (256, 6));
    assert_eq!((stack.norm, stack.prenorm, stack.tie_dropout), (NormKind::Layer, false, true));
    let ssm = &config.layer.ssm;
    assert_eq!((ssm.mode, ssm.d_state, ssm.rank, ssm.n_ssm), (Mode::S4, 64, 1, None));
    let sashimi = parse("backbone = \"sashimi\"").sashimi();
    assert_eq!((sashimi.d_model, sashimi.n_layers, sashimi.expand, sashimi.ff), (64, 8, 2, 2));
    assert_eq!(
        (sashimi.pool, sashimi.unet, sashimi.variant),
        (vec![4, 4], false, Variant::Standalone)
    );
}

#[test]
fn the_defaults_of_every_backbone_are_allowed() {
    for backbone in BACKBONES {
        let config = NetworkConfig::of(backbone);
        config.validate().unwrap();
        assert_eq!(
            parse(&format!("backbone = \"{}\"", backbone.key())).complete(Backbone::S4),
            config
        );
    }
}

#[test]
fn what_is_refused_is_named() {
    for (text, words) in [
        ("d_model = 0", "model: d_model must be 1 to 1048576, got 0"),
        ("n_layers = -1", "n_layers must be"),
        ("dropout = 1.0", "dropout must be in [0, 1), got 1"),
        ("condition = 0", "condition must be"),
        ("norm = \"group\"", "unknown variant `group`"),
        ("slope = 1", "unknown field `slope`"),
        ("layer.slope = 1", "unknown field `slope`"),
        ("layer.channels = 0", "model.layer: channels must be"),
        ("layer.l_max = 0", "l_max must be positive"),
        (
            "layer = { channels = 2, final_act = \"none\" }",
            "final_act = \"none\" needs channels = 1",
        ),
        ("layer.ssm.d_state = 3", "model.layer.ssm: d_state must be even"),
        ("layer.ssm.rank = 0", "rank must be"),
        ("layer.ssm.n_ssm = 0", "n_ssm must be"),
        ("layer.ssm.dt_min = 0.0", "0 < dt_min <= dt_max"),
        ("layer.ssm.dt_max = 1e-9", "0 < dt_min <= dt_max"),
        ("layer.ssm.is_real = true", "is_real needs mode = \"s4d\""),
        ("layer.ssm.init = \"legz\"", "no initialisation is called \"legz\""),
        ("backbone = \"sashimi\"\npool = [0]", "pool must hold factors of 1 to 1024"),
        (
            "backbone = \"sashimi\"\npool = [1024, 1024, 1024, 1024, 1024, 1024, 1024]\nexpand = 1",
            "factors of pool are too large",
        ),
        ("backbone = \"sashimi\"\nexpand = 1000\npool = [1, 1, 1]", "d_model grows beyond"),
        ("backbone = \"sashimi\"\nff = -1", "ff must be"),
        ("backbone = \"sashimi\"\nlayer.l_max = 5", "layer.l_max is not for SaShiMi"),
        ("backbone = \"sashimi\"\nvariant = \"other\"", "unknown variant `other`"),
        (
            "backbone = \"transformer\"\nattention.heads = 3",
            "model.attention: heads must divide d_model = 256, got 3",
        ),
        ("backbone = \"dilated\"\ndilated.dilations = []", "model.dilated: dilations must be"),
        (
            "backbone = \"dilated\"\ndilated = { kernel_size = 2, bidirectional = true }",
            "kernel_size must be odd",
        ),
        ("backbone = \"wavenet\"\nwavenet.layers = 21", "model.wavenet: layers must be 1 to 20"),
        ("backbone = \"wavenet\"\nwavenet.end_channels = 0", "end_channels must be"),
        ("backbone = \"wavenet\"\ncondition = 3", "not for wavenet"),
        ("backbone = \"samplernn\"\nsamplernn.frame_sizes = []", "model.samplernn: frame_sizes"),
        ("backbone = \"samplernn\"\nsamplernn.frame_sizes = [9999, 9999]", "a product of at most"),
        (
            "backbone = \"stacked-rnn\"\nstacked_rnn.d_hidden = 5",
            "model.stacked_rnn: d_hidden = 5 needs output_linear",
        ),
        ("mixer = \"s4\"\nbackbone = \"s4\"", "duplicate field"),
    ] {
        let message = refusal(text);
        assert!(message.contains(words), "{text}: {message}");
    }
}

#[test]
fn sections_of_another_backbone_are_refused() {
    for (text, section, backbone, owners) in [
        ("attention.heads = 2", "attention", "s4", "transformer and linear-attention"),
        ("recurrent.bidirectional = true", "recurrent", "s4", "lstm and gru"),
        ("backbone = \"gru\"\ndilated.kernel_size = 3", "dilated", "gru", "it is for dilated"),
    ] {
        let message = refusal(text);
        let start = format!("model.{section} means nothing to model.backbone = \"{backbone}\": ");
        assert!(message.starts_with(&start) && message.contains(owners), "{text}: {message}");
    }
}

/// A preset's keys that its backbone does not have are named and dropped; the user's are refused.
#[test]
fn keys_of_another_backbone_have_no_effect() {
    for (text, keys) in [
        ("pool = [2]", "model.pool has"),
        ("backbone = \"s4\"\nunet = true\nff = 1", "model.ff, model.unet have"),
        ("backbone = \"lstm\"\nlayer.channels = 2", "model.layer has"),
        ("backbone = \"sashimi\"\nnorm = \"batch\"", "model.norm has"),
        (
            "backbone = \"wavenet\"\nn_layers = 2\ndropout = 0.1",
            "model.n_layers, model.dropout have",
        ),
        ("backbone = \"samplernn\"\nencoder = \"fourier\"", "model.encoder has"),
    ] {
        let (config, line) = parse(text).settle(Backbone::S4, &["train.seed"]).unwrap();
        let line = line.unwrap();
        assert!(line.contains(&format!("; {keys} no effect")), "{text}: {line}");
        let left = config.unused();
        assert!(left.is_empty() || left == ["layer"], "{text}: {left:?}");
    }
    let error = parse("pool = [2]").settle(Backbone::S4, &["model.pool"]).unwrap_err().to_string();
    assert!(error.starts_with("model.pool means nothing to model.backbone"), "{error}");
    assert_eq!(parse("backbone = \"gru\"").settle(Backbone::S4, &[]).unwrap().1, None);
}

#[test]
fn older_and_official_names_are_understood() {
    for (text, same) in [
        ("mixer = \"lstm\"", "backbone = \"lstm\""),
        ("backbone = \"convolution\"", "backbone = \"dilated\""),
        ("[convolution]\nkernel = 5", "[dilated]\nkernel_size = 5"),
        ("kernel = \"paper\"", "kernel_method = \"paper\""),
        ("pooling = \"mean\"", "pooling = \"pool\""),
        ("layer.ssm.mode = \"nplr\"", "layer.ssm.mode = \"s4\""),
        ("layer.ssm.mode = \"dplr\"", "layer.ssm.mode = \"s4\""),
        ("layer.ssm.mode = \"diag\"", "layer.ssm.mode = \"s4d\""),
        ("layer.ssm.init_args.B_init = \"hippo\"", "layer.ssm.init_args.B_init = \"legs\""),
    ] {
        assert_eq!(parse(text), parse(same), "{text}");
    }
}

#[test]
fn complete_spells_out_the_defaults_and_changes_nothing_else() {
    for backbone in BACKBONES {
        let given =
            parse("dropout = 0.25\npooling = \"last\"\nd_model = 32\n[layer.ssm]\nd_state = 8");
        let complete = given.clone().complete(backbone);
        let mut expected = NetworkConfig { backbone: Some(backbone), d_model: Some(32), ..given };
        expected.tie_dropout = Some(true);
        match backbone {
            Backbone::Sashimi => {
                expected.n_layers = Some(8);
                expected.pool = Some(vec![4, 4]);
                expected.expand = Some(2);
                expected.ff = Some(2);
                expected.unet = Some(false);
                expected.variant = Some(Variant::Standalone);
            }
            Backbone::WaveNet | Backbone::SampleRnn | Backbone::StackedRnn => {
                expected.n_layers = (backbone == Backbone::StackedRnn).then_some(6);
                (expected.dropout, expected.tie_dropout) = (0.0, None);
            }
            Backbone::Resnext => {
                (expected.d_model, expected.dropout, expected.tie_dropout) = (None, 0.0, None);
            }
            _ => {
                expected.n_layers = Some(6);
                expected.norm = Some(NormKind::Layer);
                expected.prenorm = Some(false);
            }
        }
        match backbone {
            Backbone::S4 | Backbone::Sashimi => {}
            Backbone::Transformer | Backbone::LinearAttention => {
                expected.attention = Some(AttentionConfig::default());
            }
            Backbone::Lstm | Backbone::Gru => {
                expected.recurrent = Some(RecurrentConfig::default());
            }
            Backbone::Dilated => expected.dilated = Some(DilatedConfig::default()),
            Backbone::WaveNet => expected.wavenet = Some(WaveNetConfig::default()),
            Backbone::SampleRnn => expected.samplernn = Some(SampleRnnConfig::default()),
            Backbone::StackedRnn => expected.stacked_rnn = Some(StackedRnnConfig::default()),
            Backbone::Resnext => expected.resnext = Some(ResnextConfig::default()),
        }
        assert_eq!(complete, expected);
        assert_eq!(complete.clone().complete(Backbone::S4), complete, "its own backbone stays");
        let text = toml::to_string(&complete).unwrap();
        assert_eq!(parse(&text), complete, "{text}");
    }
}

#[test]
fn every_setting_is_explained() {
    for backbone in BACKBONES {
        let config = NetworkConfig::of(backbone);
        let text = program::config::commented(&config, &[]).unwrap();
        assert_eq!(parse(&text), config);
        for key in ["# lr = ...", "# condition = ...", "B_clip = 2.0", "kernel_size = 3"] {
            assert!(text.contains(key), "{key} is missing: {text}");
        }
    }
}

#[test]
fn learning_rates_are_one_or_several() {
    let lr = |text: &str| parse(text).layer.ssm.lr;
    assert_eq!(lr("layer.ssm.lr = 0.001"), Some(SsmRate::All(0.001)));
    let Some(SsmRate::Each(rates)) = lr("layer.ssm.lr = { dt = 0.1, A = 0.2 }") else {
        panic!("a table has several")
    };
    assert_eq!((rates.dt, rates.a, rates.b), (Some(0.1), Some(0.2), None));
    let infinite = parse("layer.ssm.init_args.B_clip = inf").layer.ssm.init_args.b_clip;
    assert_eq!(infinite, f64::INFINITY);
}

#[derive(Deserialize)]
struct Run {
    model: NetworkConfig,
}

/// `[model]` as the first versions wrote it into run folders, without a backbone or with a `mixer`.
#[test]
fn runs_of_the_first_versions_are_understood() {
    for (text, default, backbone) in [
        (include_str!("runs/s4.toml"), Backbone::S4, Backbone::S4),
        (include_str!("runs/sashimi.toml"), Backbone::Sashimi, Backbone::Sashimi),
        (include_str!("runs/convolution.toml"), Backbone::S4, Backbone::Dilated),
    ] {
        let Run { model } = toml::from_str(text).unwrap();
        let model = model.complete(default);
        model.validate().unwrap();
        assert_eq!((model.backbone(), model.d_model, model.n_layers), (backbone, Some(8), Some(2)));
        match backbone {
            Backbone::Sashimi => {
                assert_eq!(model.encoder, Some(EncoderInit::Fourier));
                assert_eq!((model.pooling, model.norm), (None, None));
            }
            _ => {
                assert_eq!((model.norm, model.prenorm), (Some(NormKind::Batch), Some(true)));
                assert_eq!(model.pooling, Some(Pooling::Mean));
                assert!(model.layer.bidirectional);
            }
        }
        let dilated = model.dilated.map(|dilated| (dilated.kernel_size, dilated.dilations));
        assert_eq!(dilated, (backbone == Backbone::Dilated).then(|| (2, vec![1, 4])));
    }
}
