//! What one run is: audio, a model and how it is trained; one TOML file.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use audio_data::quantise::{Companding, Quantiser, Scaling};
use audio_data::split::{Lent, Names, SplitBy};
use dsp::mel::{Mel, MelConfig};
use program::config::{Aliases, Config, Loaded, Problem};
use program::exit::usage;
use s4_config::{Backbone, DiffusionConfig, MelConditionConfig, NetworkConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
use toml::Table;
use training::args::DataArgs;
use training::run;
use training::schedule::Goal;
use training::train_config::{Best, TrainConfig};

/// A complete experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Where the audio comes from, and how it becomes sequences of codes.
    #[serde(default)]
    pub data: DataConfig,
    /// The network that predicts codes.
    #[serde(default, skip_serializing_if = "is_absent")]
    pub model: NetworkConfig,
    /// Diffusion, in place of a model that predicts codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diffusion: Option<DiffusionConfig>,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
    /// What is generated to be listened to while it trains.
    #[serde(default)]
    pub preview: PreviewConfig,
}

/// Diffusion has a network of its own.
fn is_absent(model: &NetworkConfig) -> bool {
    *model == NetworkConfig::default()
}

impl Config for Experiment {
    const ALIASES: &[Aliases] = &[&[("data.rate", "data.sample_rate")], s4_config::ALIASES];

    fn presets() -> Vec<(String, &'static str)> {
        PRESETS.iter().map(|preset| (preset.name.to_owned(), preset.text)).collect()
    }

    fn complete(&mut self) -> Result<(), Problem> {
        let metric = if self.diffusion.is_some() { "val/loss" } else { "val/bits_per_sample" };
        self.train.best.get_or_insert_with(|| Best { metric: metric.to_owned(), mode: Goal::Min });
        Ok(())
    }
}

/// Where audio comes from, and how it becomes sequences of codes.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Folder of audio files.
    pub dir: Option<PathBuf>,
    /// The data set it is (`sc09`, `fsdd`, …); recognised by its content where it is missing.
    pub layout: Option<String>,
    /// Samples per second; as most files have, at most 16,000, where it is missing. A run's own
    /// config always has it.
    pub sample_rate: Option<u32>,
    /// How recordings are divided for training, validation and test: `auto`, `lists`, `files` or
    /// `time`.
    pub split: SplitBy,
    /// What of a file's name decides where they are divided by `files`: `nfc`, its normal form, the
    /// same on macOS and elsewhere, or `as-they-are`, as in runs from before this setting.
    pub names: Names,
    /// Recordings in another part than their names say, which would have had none. Kept with a run,
    /// so that none of them moves when others come.
    pub lent: Option<Lent>,
    /// `mu-law`, `a-law` or `linear`.
    #[default(Companding::MuLaw)]
    pub companding: Companding,
    /// Bits of a code, 2 to 16.
    #[default(8)]
    pub bits: u32,
    /// What is stretched to full scale before it is quantised: each `clip` (as officially), each
    /// `recording`, or `none`.
    pub scaling: Scaling,
    /// Whether sequences are `windows` of recordings or whole `clips`; `auto`: clips where no
    /// recording is longer than twice a window.
    pub cut: CutBy,
    /// Samples in a window; the longest that is kept of a clip. Of diffusion, samples of the cuts that
    /// are learned from, taken anywhere and filled up with silence.
    #[default(16_384)]
    pub length: usize,
    /// Samples between two cuts of back-propagation, over which the state is carried: sequences
    /// may be longer than memory allows otherwise. No cuts where it is missing.
    pub segment: Option<usize>,
    /// The mel spectrogram that a vocoder is given.
    pub mel: Option<MelConfig>,
    /// Sequences of the validation split that are evaluated while training, evenly taken; all
    /// where it is missing.
    pub val_count: Option<usize>,
    /// Damaged files and others that would be left out are an error.
    pub strict: bool,
    /// Folder that decoded audio is kept in, as `audio`; `data/cache` where it is missing.
    pub cache: Option<PathBuf>,
}

/// How recordings become sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CutBy {
    /// Clips where no recording is longer than twice a window, else windows.
    #[default]
    Auto,
    /// Pieces of a fixed length.
    Windows,
    /// Whole recordings.
    Clips,
}

impl DataConfig {
    /// Takes over what the command line says.
    pub fn apply(&mut self, flags: &DataArgs) {
        self.strict |= flags.strict;
        if flags.cache.is_some() {
            self.cache.clone_from(&flags.cache);
        }
    }

    /// The quantiser.
    ///
    /// # Errors
    /// If `bits` is out of range.
    pub fn quantiser(&self) -> Result<Quantiser> {
        Quantiser::new(self.companding, self.bits).context("data.bits")
    }

    /// What makes the spectrograms of a vocoder; none for other models.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn mel(&self) -> Result<Option<Mel>> {
        let Some(config) = &self.mel else { return Ok(None) };
        Ok(Some(Mel::new(config, self.sample_rate()?).context("data.mel")?))
    }

    /// Samples per second.
    ///
    /// # Errors
    /// If it has not been found out yet.
    pub fn sample_rate(&self) -> Result<u32> {
        self.sample_rate.context("data.sample_rate is not set; a run's config.toml has it")
    }
}

/// What is generated at every evaluation, for TensorBoard.
#[derive(Debug, Clone, PartialEq, SmartDefault, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PreviewConfig {
    /// Number of samples; 0: none.
    #[default(2)]
    pub count: u64,
    /// Length of each.
    #[default(1.0)]
    pub seconds: f64,
}

/// A ready-made experiment.
#[derive(Debug)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// Text of its TOML file.
    text: &'static str,
}

/// The preset whose file in `configs/audio` has this name.
macro_rules! preset {
    ($name:literal) => {
        Preset { name: $name, text: include_str!(concat!("../../configs/audio/", $name, ".toml")) }
    };
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    preset!("small"),
    preset!("small-wavenet"),
    preset!("small-samplernn"),
    preset!("sc09"),
    preset!("sc09-unet"),
    preset!("sc09-wavenet"),
    preset!("sc09-samplernn"),
    preset!("youtubemix"),
    preset!("youtubemix-wavenet"),
    preset!("youtubemix-samplernn"),
    preset!("beethoven"),
    preset!("beethoven-wavenet"),
    preset!("beethoven-samplernn"),
    preset!("small-diffwave"),
    preset!("small-diffwave-wavenet"),
    preset!("sc09-diffwave"),
    preset!("sc09-diffwave-small"),
    preset!("sc09-diffwave-wavenet"),
    preset!("ljspeech"),
];

impl Preset {
    /// The preset called `name`.
    ///
    /// # Errors
    /// If there is none; the message has the names that there are.
    pub fn find(name: &str) -> Result<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
            usage(format!(
                "there is no preset `{name}`; presets: {}; `train` also takes paper, \
                 the one that fits the data",
                names.join(", ")
            ))
        })
    }

    /// What its file says.
    pub(crate) fn table(&self) -> Result<Table> {
        self.text.parse().context("a preset is TOML")
    }

    /// The experiment, as its file was when the program was built.
    ///
    /// # Errors
    /// If an override is wrong.
    pub fn load(&self, overrides: &[String]) -> Result<Loaded<Experiment>> {
        let file = format!("configs/audio/{}.toml", self.name);
        run::Experiment::parse(&file, self.text, overrides)
    }
}

impl Experiment {
    /// How many sounds are generated at every evaluation, and how many samples of each.
    ///
    /// # Errors
    /// If the rate is not known.
    pub fn preview(&self) -> Result<(usize, usize)> {
        let PreviewConfig { count, seconds } = self.preview;
        Ok((count as usize, (seconds * f64::from(self.data.sample_rate()?)).ceil() as usize))
    }

    /// A vocoder's network says of its spectrogram what has to be.
    pub(crate) fn complete_mel(&mut self) {
        let network = self.diffusion.as_ref().map(|diffusion| &diffusion.network);
        if let Some(mel) = network.and_then(|network| network.mel.as_ref()) {
            self.data.mel.get_or_insert_with(|| MelConfig {
                hop: mel.upsample.iter().product::<i64>() as usize,
                bands: mel.bands as usize,
                ..MelConfig::default()
            });
        }
    }

    fn validate_codes(&self) -> Result<()> {
        self.model.validate()?;
        if let Some(key) = self.model.looks_ahead() {
            bail!("model.{key} looks ahead: such a model cannot predict the next sample");
        }
        self.model.refuse_condition()?;
        ensure!(self.data.mel.is_none(), "data.mel is for vocoders: models of [diffusion]");
        if let Some(segment) = self.data.segment {
            let stride = self.model.stride() as usize;
            ensure!(
                segment > 0 && segment.is_multiple_of(stride),
                "data.segment is {segment}; it must be a multiple of {stride}, all pooling factors or \
                 frame sizes together"
            );
        }
        Ok(())
    }

    fn validate_diffusion(&self, diffusion: &DiffusionConfig) -> Result<()> {
        diffusion.validate().context("diffusion")?;
        let DataConfig { length, segment, mel, .. } = &self.data;
        let stride = diffusion.network.stride() as usize;
        ensure!(
            length.is_multiple_of(stride),
            "data.length is {length}; it must be a multiple of all pooling factors together ({stride})"
        );
        ensure!(segment.is_none(), "data.segment is for models that predict codes; leave it out");
        match (mel, &diffusion.network.mel) {
            (None, _) => Ok(()),
            (Some(mel), Some(MelConditionConfig { bands, upsample: [a, b], .. })) => {
                ensure!(
                    mel.hop as i64 == a * b,
                    "data.mel.hop is {}; it must be the product of diffusion.network.mel.upsample \
                     ({a} x {b} = {})",
                    mel.hop,
                    a * b
                );
                ensure!(
                    mel.bands as i64 == *bands,
                    "data.mel.bands is {}, diffusion.network.mel.bands {bands}; they must be the same",
                    mel.bands
                );
                ensure!(
                    *length > mel.n_fft / 2,
                    "data.length is {length}; a spectrogram needs more than half of data.mel.n_fft \
                     ({})",
                    mel.n_fft
                );
                Ok(())
            }
            (Some(_), None) => {
                bail!("data.mel is given; a vocoder needs [diffusion.network.mel] too")
            }
        }
    }
}

impl run::Experiment for Experiment {
    const PROGRAM: Option<&str> = Some("sashimi");

    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
        if let Some(diffusion) = &mut self.diffusion {
            ensure!(
                is_absent(&self.model),
                "[model] is of models that predict codes, and there is [diffusion] too, whose network is \
                 [diffusion.network]: leave one of them out"
            );
            diffusion.network = diffusion.network.clone().complete();
            self.complete_mel();
            return Ok(None);
        }
        let (mut model, line) = self.model.clone().settle(Backbone::Sashimi, set)?;
        if let Some(samplernn) = &mut model.samplernn {
            ensure!(
                !set.contains(&"model.samplernn.companding"),
                "model.samplernn.companding is that of the data: set data.companding instead"
            );
            samplernn.companding = self.data.companding;
        } else {
            model.encoder.get_or_insert_default();
        }
        self.model = model;
        Ok(line)
    }

    fn validate(&self) -> Result<()> {
        let DataConfig { length, val_count, .. } = self.data;
        self.data.quantiser()?;
        ensure!(length > 0, "data.length is 0; a sequence holds at least one sample");
        match &self.diffusion {
            Some(diffusion) => self.validate_diffusion(diffusion)?,
            None => self.validate_codes()?,
        }
        ensure!(val_count != Some(0), "data.val_count is 0; it must be at least 1");
        let seconds = self.preview.seconds;
        ensure!(
            seconds.is_finite() && seconds > 0.0,
            "preview.seconds is {seconds}; it must be above 0 (preview.count = 0 generates nothing)"
        );
        self.train.validate()
    }
}

#[cfg(test)]
mod tests {
    use program::config;

    use super::*;

    #[test]
    fn presets_are_valid_and_read_back_with_their_comments() {
        for preset in PRESETS {
            let loaded = preset.load(&[]);
            let preset = loaded.unwrap_or_else(|error| panic!("{}: {error:#}", preset.name)).value;
            let text = config::commented(&preset, &[]).unwrap();
            let read: Loaded<Experiment> = run::Experiment::parse("a.toml", &text, &[]).unwrap();
            assert_eq!(read.value, preset, "{text}");
        }
    }

    #[test]
    fn frames_are_heard_as_the_data_is_written() {
        let linear = "data.companding=\"linear\"".to_owned();
        let preset = Preset::find("small-samplernn").unwrap();
        let model = preset.load(&[linear]).unwrap().value.model;
        assert_eq!(model.samplernn.unwrap().companding, Companding::Linear);
        let own = "model.samplernn.companding=\"linear\"".to_owned();
        let error = format!("{:#}", preset.load(&[own]).unwrap_err());
        assert!(error.contains("set data.companding"), "{error}");
    }

    #[test]
    fn contradictions_are_named() {
        let wrong = [
            ("data.bits=1", "bits"),
            ("data.length=0", "data.length"),
            ("data.segment=100", "data.segment"),
            ("data.val_count=0", "data.val_count"),
            ("model.layer.bidirectional=true", "bidirectional"),
            ("model.pool=[0]", "pool"),
            ("model.wavenet.layers=5", "model.wavenet"),
            ("preview.seconds=0.0", "preview.seconds"),
            ("data.lenght=5", "length"),
            ("data.mel.hop=5", "vocoders"),
            ("diffusion.steps=5", "[diffusion.network]"),
        ];
        let diffusion = [
            ("data.length=8001", "data.length"),
            ("data.segment=64", "data.segment"),
            ("data.mel.hop=5", "[diffusion.network.mel]"),
            ("diffusion.network.mel.bands=0", "bands"),
            ("diffusion.steps=1", "steps"),
            ("diffusion.beta_last=1.0", "beta_last"),
            ("diffusion.fast=[]", "fast"),
            ("diffusion.network.embedding=7", "embedding"),
            ("diffusion.network.sashimi.pool=[0]", "pool"),
            ("diffusion.network.wavenet.layers=3", "wavenet"),
            ("model.d_model=5", "[diffusion.network]"),
        ];
        for (preset, wrong) in [("small", &wrong[..]), ("small-diffwave", &diffusion)] {
            for (setting, word) in wrong {
                let error = Preset::find(preset).unwrap().load(&[(*setting).to_owned()]);
                let error = format!("{:#}", error.unwrap_err());
                assert!(error.contains(word), "{setting}: {error}");
            }
        }
    }
}
