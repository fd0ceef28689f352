//! What one run is: audio, a model and how it is trained; one TOML file.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use audio_data::quantise::{Companding, Quantiser, Scaling};
use audio_data::split::{Lent, Names, SplitBy};
use program::config::{Aliases, Config, Loaded, Problem};
use program::exit::usage;
use s4_config::{Backbone, NetworkConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smart_default::SmartDefault;
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
    /// The network.
    #[serde(default)]
    pub model: NetworkConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
    /// What is generated to be listened to while it trains.
    #[serde(default)]
    pub preview: PreviewConfig,
}

impl Config for Experiment {
    const ALIASES: &[Aliases] = &[&[("data.rate", "data.sample_rate")], s4_config::ALIASES];

    fn presets() -> Vec<(String, &'static str)> {
        PRESETS.iter().map(|preset| (preset.name.to_owned(), preset.text)).collect()
    }

    fn complete(&mut self) -> Result<(), Problem> {
        self.train.best.get_or_insert_with(|| Best {
            metric: "val/bits_per_sample".to_owned(),
            mode: Goal::Min,
        });
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
    /// Samples in a window; the longest that is kept of a clip.
    #[default(16_384)]
    pub length: usize,
    /// Samples between two cuts of back-propagation, over which the state is carried: sequences
    /// may be longer than memory allows otherwise. No cuts where it is missing.
    pub segment: Option<usize>,
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

    /// The experiment, as its file was when the program was built.
    ///
    /// # Errors
    /// If an override is wrong.
    pub fn load(&self, overrides: &[String]) -> Result<Loaded<Experiment>> {
        let file = format!("configs/audio/{}.toml", self.name);
        run::Experiment::parse(&file, self.text, overrides)
    }
}

impl run::Experiment for Experiment {
    fn settle(&mut self, set: &[&str]) -> Result<Option<String>> {
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
        let DataConfig { length, segment, val_count, .. } = self.data;
        self.data.quantiser()?;
        self.model.validate()?;
        if let Some(key) = self.model.looks_ahead() {
            bail!("model.{key} looks ahead: such a model cannot predict the next sample");
        }
        self.model.refuse_condition()?;
        ensure!(length > 0, "data.length is 0; a sequence holds at least one sample");
        if let Some(segment) = segment {
            let stride = self.model.stride() as usize;
            ensure!(
                segment > 0 && segment.is_multiple_of(stride),
                "data.segment is {segment}; it must be a multiple of {stride}, all pooling factors or \
                 frame sizes together"
            );
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
        ];
        for (setting, word) in wrong {
            let error = Preset::find("small").unwrap().load(&[setting.to_owned()]).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{setting}: {error:#}");
        }
    }
}
