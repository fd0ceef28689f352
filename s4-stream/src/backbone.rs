//! What is between encoder and decoder.

use anyhow::{Result, bail};
use s4_config::NetworkConfig;

use crate::layer::block::Scratch;
use crate::layer::norm::Norm;
use crate::samplernn::{SampleRnn, SampleRnnState};
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes};
use crate::stage::{Stage, StageState};
use crate::state_tensors::StateTensors;
use crate::wavenet::{WaveNet, WaveNetState};
use crate::weights::Place;

/// What mixes the positions.
#[derive(Debug, Clone)]
pub(crate) enum Backbone {
    /// SaShiMi, or a plain stack.
    Stage(Stage),
    WaveNet(WaveNet),
    SampleRnn(SampleRnn),
}

/// What a backbone remembers of some sequences, and scratch space.
#[derive(Debug)]
pub(crate) enum BackboneState {
    Stage(StageState, Scratch),
    WaveNet(WaveNetState),
    SampleRnn(SampleRnnState),
}

impl Backbone {
    /// Reads that of `config`, the normalisation of its outputs, and their channels.
    pub fn read(place: &Place, config: &NetworkConfig) -> Result<(Self, Norm, usize)> {
        let width = size(config.width());
        Ok(match config.backbone() {
            s4_config::Backbone::Sashimi => {
                let (stage, norm) = Stage::sashimi(place, &config.sashimi())?;
                (Backbone::Stage(stage), norm, width)
            }
            s4_config::Backbone::S4 => {
                let (stage, norm) = Stage::stack(place, &config.stack(), &config.layer)?;
                (Backbone::Stage(stage), norm, width)
            }
            s4_config::Backbone::WaveNet => {
                let wavenet = WaveNet::read(place, width, &config.wavenet())?;
                (Backbone::WaveNet(wavenet), Norm::identity(width), width)
            }
            s4_config::Backbone::SampleRnn => {
                let samplernn = SampleRnn::read(place, width, &config.samplernn())?;
                let levels = samplernn.levels();
                (Backbone::SampleRnn(samplernn), Norm::identity(levels), levels)
            }
            other => bail!("{} has no steps", other.key()),
        })
    }

    /// The state of `batch` sequences before their first input.
    pub fn state(&self, batch: usize) -> BackboneState {
        match self {
            Backbone::Stage(stage) => {
                BackboneState::Stage(stage.state(batch), Scratch::new(batch, stage.scratch()))
            }
            Backbone::WaveNet(wavenet) => BackboneState::WaveNet(wavenet.state(batch)),
            Backbone::SampleRnn(samplernn) => BackboneState::SampleRnn(samplernn.state(batch)),
        }
    }

    /// The state of `batch` sequences that all stand where the only one of `state` stands.
    pub fn repeated(&self, state: &BackboneState, batch: usize) -> BackboneState {
        match (self, state) {
            (Backbone::Stage(stage), BackboneState::Stage(state, _)) => {
                BackboneState::Stage(state.repeat(batch), Scratch::new(batch, stage.scratch()))
            }
            (_, BackboneState::WaveNet(state)) => BackboneState::WaveNet(state.repeat(batch)),
            (_, BackboneState::SampleRnn(state)) => BackboneState::SampleRnn(state.repeat(batch)),
            _ => unreachable!("{FOREIGN}"),
        }
    }

    /// Moves `state` on by one position and replaces x by the output.
    pub fn step(&self, isa: Isa, x: &mut [Lanes], state: &mut BackboneState) {
        match (self, state) {
            (Backbone::Stage(stage), BackboneState::Stage(state, scratch)) => {
                stage.step(isa, x, state, scratch);
            }
            (Backbone::WaveNet(wavenet), BackboneState::WaveNet(state)) => {
                wavenet.step(isa, x, state);
            }
            (Backbone::SampleRnn(samplernn), BackboneState::SampleRnn(state)) => {
                samplernn.step(isa, x, state);
            }
            _ => unreachable!("{FOREIGN}"),
        }
    }

    /// Fills the `state` of some sequences with theirs of `tensors` after `position` inputs.
    pub fn load(
        &self,
        state: &mut BackboneState,
        position: u64,
        tensors: &mut StateTensors,
    ) -> Result<()> {
        match (self, state) {
            (Backbone::Stage(stage), BackboneState::Stage(state, _)) => {
                stage.load(state, position, tensors)
            }
            (Backbone::WaveNet(wavenet), BackboneState::WaveNet(state)) => {
                wavenet.load(state, position, tensors)
            }
            (Backbone::SampleRnn(samplernn), BackboneState::SampleRnn(state)) => {
                samplernn.load(state, position, tensors)
            }
            _ => unreachable!("{FOREIGN}"),
        }
    }

    /// Rounds the weights of the linear maps to integers of 16 bits, and keeps all in `arena`.
    pub fn round(&mut self, arena: &mut Arena) {
        match self {
            Backbone::Stage(stage) => stage.round(arena),
            Backbone::WaveNet(wavenet) => wavenet.round(arena),
            Backbone::SampleRnn(samplernn) => samplernn.round(arena),
        }
    }

    /// Bytes of weights that are read per position, on average.
    pub fn bytes(&self) -> f64 {
        match self {
            Backbone::Stage(stage) => stage.bytes(),
            Backbone::WaveNet(wavenet) => wavenet.bytes() as f64,
            Backbone::SampleRnn(samplernn) => samplernn.bytes(),
        }
    }
}

const FOREIGN: &str = "a state is made by the backbone that it is used with";
