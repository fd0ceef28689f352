//! The whole network.
//!
//! Tensor names are those of the official experiments: `encoder.*`, `model.*`, `decoder.*`.

use anyhow::{Context, Result, bail, ensure};
use s4_config::{Backbone, KernelMethod, NetworkConfig, Output, Shape};
use s4_core::layer::inspect;
use s4_core::layer::{Activations, Pass, SequenceLayer, State, Stepper};
use s4_core::params::Scope;
use s4_core::recurrence::StepMode;
use tch::{Device, Kind, Tensor};

use crate::backbone;
use crate::encoder::Encoder;
use crate::forecast::Forecast;
use crate::head::{Head, pool};
use crate::lags::Lags;
use crate::learned_state::LearnedState;
use crate::past::Known;
use crate::positions::add_positions;

/// A network from sequences to what its head computes of them.
///
/// The state that a causal network carries on is that of its backbone; in front of it, where the
/// backbone looks by content only, the position (int64, on the CPU), and then, with `lags` or `logistics`, the last
/// tokens, (B, P) int64, as many as are looked at or as there were.
#[derive(Debug)]
pub struct Network {
    /// Of networks that are asked for a series.
    forecast: Option<Forecast>,
    encoder: Encoder,
    lags: Option<Lags>,
    /// Tokens that are remembered beside the one that goes in.
    memory: i64,
    backbone: Box<dyn SequenceLayer>,
    head: Head,
    kind: Backbone,
    kernel_method: KernelMethod,
    activations: Activations,
}

impl Network {
    /// Registers a fresh network. Draws from tch's CPU generator.
    ///
    /// # Errors
    /// If the config is contradictory.
    pub fn new(scope: &mut Scope, config: &NetworkConfig, shape: Shape) -> Result<Self> {
        Self::with_backbone(scope, config, shape, |scope| backbone::new(scope, config, shape))
    }

    /// As [`Self::new`], with what `backbone` registers in place of the config's backbone: a map of
    /// `config.width()` channels to as many.
    ///
    /// # Errors
    /// If the config is contradictory, or those of `backbone`.
    pub fn with_backbone(
        scope: &mut Scope,
        config: &NetworkConfig,
        shape: Shape,
        backbone: impl FnOnce(&mut Scope) -> Result<Box<dyn SequenceLayer>>,
    ) -> Result<Self> {
        config.validate()?;
        let (forecast, shape) = match (shape.output, &config.forecast) {
            (Output::Series(series), config) => {
                let config = config.clone().unwrap_or_default();
                let forecast = Forecast::new(&mut scope.sub("forecast"), &config, series)?;
                let inside = forecast.inside(shape.input);
                (Some(forecast), inside)
            }
            (_, None) => (None, shape),
            (_, Some(_)) => bail!("model.forecast is for series; leave the section out"),
        };
        let encoder = Encoder::new(&mut scope.sub("encoder"), shape.input, config)?;
        let lags = Encoder::lags(&mut scope.sub("encoder"), shape.input, config)?;
        let mut backbone = backbone(&mut scope.sub("model"))?;
        if config.learned_state {
            backbone = Box::new(LearnedState::new(&mut scope.sub("learned_state"), backbone)?);
        }
        let head = Head::new(&mut scope.sub("decoder"), config, shape.output, &encoder)?;
        let activations =
            if config.recompute { Activations::Recomputed } else { Activations::Kept };
        let (kind, kernel_method) = (config.backbone(), config.kernel_method);
        let memory = config.memory();
        Ok(Self {
            forecast,
            encoder,
            lags,
            memory,
            backbone,
            head,
            kind,
            kernel_method,
            activations,
        })
    }

    /// What the head computes of sequences: tokens (B, L) or values (B, L, features); of windows whose
    /// next steps are asked for, the forecast.
    ///
    /// # Errors
    /// If the input does not fit the network.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let network = |x: &Tensor| {
            let y = self.mixed(&self.embed(x)?, pass)?;
            let predictions = self.predictions(x, &Place::default())?;
            self.head.forward(&y, pass.lengths.as_ref(), predictions.as_ref())
        };
        match &self.forecast {
            Some(forecast) => forecast.forward(x, network),
            None => network(x),
        }
    }

    /// Tokens (B, L) or values (B, L, features) as the backbone gets them, (B, H, L). Gradients to
    /// inputs that are tokens are gradients to this.
    ///
    /// # Errors
    /// If the input does not fit the network.
    pub fn embed(&self, x: &Tensor) -> Result<Tensor> {
        self.embed_at(x, &Place::default())
    }

    /// The same of the continuation of sequences.
    fn embed_at(&self, x: &Tensor, place: &Place) -> Result<Tensor> {
        let embedded = self.encoder.forward(x)?;
        match &self.lags {
            Some(lags) => lags.add(embedded, &place.known(x)?),
            None => Ok(embedded),
        }
    }

    /// What the head is to know of tokens that go in at `place`.
    fn predictions(&self, x: &Tensor, place: &Place) -> Result<Option<Tensor>> {
        self.head.predictions(|| place.known(x))
    }

    /// What the head computes of embedded sequences (B, H, L).
    ///
    /// # Errors
    /// If the input does not fit the network, or its head is to know tokens.
    pub fn from_embedded(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.head.forward(&self.mixed(x, pass)?, pass.lengths.as_ref(), None)
    }

    /// The input of the last linear map for each sequence, (B, H), and what that makes of it, (B,
    /// outputs): a trained network's features, for whatever is compared by them.
    ///
    /// # Errors
    /// If the input does not fit, or the network's outputs are not one for each sequence.
    pub fn features(&self, x: &Tensor, pass: &Pass) -> Result<(Tensor, Tensor)> {
        let y = self.mixed(&self.embed(x)?, pass)?;
        let features = self.head.features(&y, pass.lengths.as_ref());
        let features = features.context("the network has no one vector for each sequence")?;
        Ok((features, self.head.forward(&y, pass.lengths.as_ref(), None)?))
    }

    /// One vector for each sequence, (B, H), before the backbone and after each of its layers, pooled as
    /// the head does.
    ///
    /// # Errors
    /// If the input does not fit the network.
    pub fn layers(&self, x: &Tensor, pass: &Pass) -> Result<Vec<Tensor>> {
        let x = self.embed(x)?;
        let layers = self.backbone.layers(&self.placed(&x, 0), &self.pass(pass))?;
        let pooled = |x: &Tensor| pool(self.head.pooling(), x, pass.lengths.as_ref());
        Ok(std::iter::once(&x).chain(&layers).map(pooled).collect())
    }

    /// What the backbone makes of embedded sequences.
    fn mixed(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        ensure!(
            pass.rate == 1.0 || self.has_rate(),
            "only S4 can be taken to another sampling rate (rate {}); model.backbone is \"{}\"",
            pass.rate,
            self.kind.key()
        );
        let x = self.encoder.drop_out(x, pass.train);
        self.backbone.forward(&self.placed(&x, 0), &self.pass(pass))
    }

    /// What the head computes of the continuation of sequences that left the network in `state`, and
    /// the next state. The length is a multiple of [`Self::stride`].
    ///
    /// # Errors
    /// If the input does not fit, or the network looks ahead.
    pub fn forward_with_state(
        &self,
        x: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let Mixed { y, predictions, next } = self.mixed_with_state(x, state, pass)?;
        Ok((self.head.forward(&y, None, predictions.as_ref())?, next))
    }

    /// What the backbone makes of the continuation of sequences.
    fn mixed_with_state(&self, x: &Tensor, state: &State, pass: &Pass) -> Result<Mixed> {
        ensure!(
            self.forecast.is_none(),
            "a network that is asked for a series takes whole windows"
        );
        let (place, state) = self.split(state)?;
        let embedded = self.encoder.drop_out(&self.embed_at(x, &place)?, pass.train);
        let embedded = self.placed(&embedded, place.position);
        let (y, next) = self.backbone.forward_with_state(&embedded, &state, &self.pass(pass))?;
        let predictions = self.predictions(x, &place)?;
        Ok(Mixed { y, predictions, next: self.joined(self.after(x, &place)?, next) })
    }

    /// -log p, in nats, of the tokens `next` (B, L), each of which follows the position of x that it stands
    /// at: (B, L).
    ///
    /// # Errors
    /// If the input does not fit the network, or it predicts no tokens.
    pub fn nll(&self, x: &Tensor, next: &Tensor, pass: &Pass) -> Result<Tensor> {
        let predictions = self.predictions(x, &Place::default())?;
        let y = self.mixed(&self.embed(x)?, pass)?;
        self.head.nll(&y, predictions.as_ref(), next, pass.train)
    }

    /// The same of the continuation of sequences that left the network in `state`, and the next state. The
    /// length is a multiple of [`Self::stride`].
    ///
    /// # Errors
    /// As [`Self::nll`], or if the network looks ahead.
    pub fn nll_with_state(
        &self,
        x: &Tensor,
        next: &Tensor,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let Mixed { y, predictions, next: state } = self.mixed_with_state(x, state, pass)?;
        Ok((self.head.nll(&y, predictions.as_ref(), next, pass.train)?, state))
    }

    /// The state of `batch` sequences before their first input.
    ///
    /// # Errors
    /// If the network looks ahead.
    pub fn default_state(&self, batch: i64) -> Result<State> {
        let state = self.backbone.default_state(batch)?;
        Ok(self.joined(self.start(batch), state))
    }

    /// Parts of sequences that carry a state on are multiples of this many positions long.
    pub fn stride(&self) -> i64 {
        self.backbone.stride()
    }

    /// Whether it can be taken to another sampling rate: a [`Pass::rate`] other than 1.
    pub fn has_rate(&self) -> bool {
        self.kind == Backbone::S4
    }

    /// The network as a recurrence with steps of `rate`·Δ, prepared once for many steps.
    ///
    /// # Errors
    /// If the network looks ahead.
    pub fn stepper(&self, mode: StepMode, rate: f64) -> Result<NetworkStepper<'_>> {
        Ok(NetworkStepper { network: self, backbone: self.backbone.stepper(mode, rate)? })
    }

    /// What mixes the positions, (B, H, L) to (B, H, L).
    pub fn backbone(&self) -> &dyn SequenceLayer {
        self.backbone.as_ref()
    }

    /// Whether its scores are those of levels, by a mixture of distributions.
    pub fn scores_levels(&self) -> bool {
        matches!(self.head, Head::Logistics(_))
    }

    /// Where inputs are expected.
    pub fn device(&self) -> Device {
        self.encoder.device()
    }

    /// Whether blocks are computed again for their gradients.
    pub fn recomputes(&self) -> bool {
        self.activations == Activations::Recomputed
    }

    /// How sequences of `len` positions are convolved while training: (place, choice). Empty for
    /// baselines.
    pub fn explain(&self, len: i64) -> Vec<(String, String)> {
        inspect::explain(self.backbone(), len, &self.pass(&Pass::train()))
    }

    /// `pass` with what the config decides.
    fn pass(&self, pass: &Pass) -> Pass {
        let condition = pass.condition.as_ref().map(Tensor::shallow_clone);
        Pass {
            kernel: self.kernel_method,
            activations: self.activations,
            ..pass.with_condition(condition)
        }
    }

    /// x (B, H, L) with its positions from `first` on, where the backbone needs them.
    fn placed(&self, x: &Tensor, first: i64) -> Tensor {
        if self.kind.attends() { add_positions(x, first) } else { x.shallow_clone() }
    }

    /// Before the first input of `batch` sequences.
    fn start(&self, batch: i64) -> Place {
        let none = || Tensor::zeros([batch, 0], (Kind::Int64, self.device()));
        Place { position: 0, past: (self.memory > 0).then(none) }
    }

    /// After the inputs x from `place` on.
    fn after(&self, x: &Tensor, place: &Place) -> Result<Place> {
        let past = match self.memory {
            0 => None,
            memory => Some(place.known(x)?.keep(memory)),
        };
        Ok(Place { position: place.position + x.size()[1], past })
    }

    /// What a state of the network holds: where sequences stand, and the backbone's state.
    fn split(&self, state: &State) -> Result<(Place, State)> {
        let mut state = state.iter().map(Tensor::shallow_clone);
        let position = match self.kind.attends() {
            true => i64::try_from(state.next().context("the state begins with the position")?)?,
            false => 0,
        };
        let past = match self.memory {
            0 => None,
            _ => Some(state.next().context("the state begins with the last tokens")?),
        };
        Ok((Place { position, past }, state.collect()))
    }

    fn joined(&self, place: Place, rest: State) -> State {
        let position = self.kind.attends().then(|| Tensor::from(place.position));
        position.into_iter().chain(place.past).chain(rest).collect()
    }
}

/// Where sequences stand, as far as a network has to know: as it stands, before their first input.
#[derive(Debug, Default)]
struct Place {
    /// Positions so far.
    position: i64,
    /// The last tokens, (B, P), of networks that look at them.
    past: Option<Tensor>,
}

impl Place {
    /// Tokens x that go in here, and those before.
    fn known(&self, x: &Tensor) -> Result<Known> {
        Known::new(self.past.as_ref(), x)
    }
}

/// What becomes of the continuation of sequences on its way to the head.
struct Mixed {
    /// What the backbone made of it, (B, H, L).
    y: Tensor,
    /// What the head is to know of the tokens.
    predictions: Option<Tensor>,
    next: State,
}

/// A [`Network`], one position at a time.
#[derive(Debug)]
pub struct NetworkStepper<'a> {
    network: &'a Network,
    backbone: Box<dyn Stepper + 'a>,
}

impl NetworkStepper<'_> {
    /// The outputs of a head with one per position after tokens (B) or values (B, features), and the
    /// next state.
    ///
    /// # Errors
    /// If the input or the state does not fit the network.
    pub fn step(&self, x: &Tensor, state: &State) -> Result<(Tensor, State)> {
        let network = self.network;
        let (place, state) = network.split(state)?;
        let x = x.unsqueeze(1);
        let embedded = network.placed(&network.embed_at(&x, &place)?, place.position);
        let (y, next) = self.backbone.step(&embedded.squeeze_dim(2), &state);
        let predictions = network.predictions(&x, &place)?;
        let y = network.head.forward(&y.unsqueeze(2), None, predictions.as_ref())?;
        let y = if network.head.is_per_position() { y.squeeze_dim(1) } else { y };
        Ok((y, network.joined(network.after(&x, &place)?, next)))
    }
}
