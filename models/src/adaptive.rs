//! Adaptive embedding and softmax (Grave et al. 2017; Baevski and Auli 2019): tokens are in clusters,
//! the rarer the later, whose vectors are ever shorter and mapped to the network's channels.
//!
//! Shapes: N positions, H channels, V tokens, C clusters, Dᵢ entries of the vectors of cluster i.

use anyhow::{Context, Result, ensure};
use s4_config::AdaptiveConfig;
use s4_core::params::{Hyper, Scope};
use tch::{Device, Kind, Tensor};

/// The official standard deviations, of vectors in 1/√Dᵢ and of maps in 1/√H.
const INIT: f64 = 0.5;

/// Tokens to vectors.
#[derive(Debug)]
pub struct AdaptiveEmbedding {
    config: AdaptiveConfig,
    /// First token of each cluster, and V.
    borders: Vec<i64>,
    /// (tokens of the cluster, Dᵢ).
    weights: Vec<Tensor>,
    /// (H, Dᵢ).
    projections: Vec<Tensor>,
}

impl AdaptiveEmbedding {
    /// Registers `emb_layers.*.weight` and `emb_projs.*`. Draws from tch's CPU generator.
    ///
    /// # Errors
    /// If the clusters do not fit the vocabulary, or the names are taken.
    pub fn new(
        scope: &mut Scope,
        config: &AdaptiveConfig,
        vocabulary: i64,
        width: i64,
    ) -> Result<Self> {
        let last = config.cutoffs.last().copied().unwrap_or(0);
        ensure!(
            last < vocabulary,
            "model.adaptive.cutoffs has {last}, but there are only {vocabulary} tokens"
        );
        let borders: Vec<i64> =
            [0].into_iter().chain(config.cutoffs.iter().copied()).chain([vocabulary]).collect();
        let (mut weights, mut projections) = (Vec::new(), Vec::new());
        for (number, border) in borders.windows(2).enumerate() {
            let entries = config.width(width, number);
            let weight = normal([border[1] - border[0], entries], INIT / (entries as f64).sqrt());
            let mut layer = scope.sub(format!("emb_layers.{number}"));
            weights.push(layer.parameter("weight", &weight, Hyper::GLOBAL)?);
            let projection = normal([width, entries], INIT / (width as f64).sqrt());
            let name = format!("emb_projs.{number}");
            projections.push(scope.parameter(&name, &projection, Hyper::GLOBAL)?);
        }
        Ok(Self { config: config.clone(), borders, weights, projections })
    }

    /// Tokens (B, L) to channels (B, H, L).
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (rows, len) = tokens.size2()?;
        let width = self.projections[0].size()[0];
        let flat = tokens.f_flatten(0, 1)?;
        let mut x = Tensor::f_zeros([rows * len, width], self.options())?;
        for (number, (weight, projection)) in self.weights.iter().zip(&self.projections).enumerate()
        {
            let Some((places, within)) = self.members(&flat, number)? else { continue };
            let vectors = Tensor::f_embedding(weight, &within, -1, false, false)?;
            x = x.f_index_copy(0, &places, &vectors.f_matmul(&projection.tr())?)?;
        }
        Ok((x * (width as f64).sqrt()).f_view([rows, len, width])?.transpose(1, 2))
    }

    /// x with some of its entries dropped.
    pub fn drop_out(&self, x: &Tensor) -> Tensor {
        dropped(x, self.config.dropout)
    }

    /// Where its vectors are, and their kind.
    pub fn options(&self) -> (Kind, Device) {
        (self.weights[0].kind(), self.weights[0].device())
    }

    /// Places among `tokens` (N) of those of a cluster, and their numbers in it; none if there are none.
    fn members(&self, tokens: &Tensor, number: usize) -> Result<Option<(Tensor, Tensor)>> {
        let (start, end) = (self.borders[number], self.borders[number + 1]);
        let is_member = tokens.f_ge(start)?.f_logical_and(&tokens.f_lt(end)?)?;
        let places = is_member.f_nonzero()?.squeeze_dim(1);
        if places.size()[0] == 0 {
            return Ok(None);
        }
        let within = tokens.f_index_select(0, &places)? - start;
        Ok(Some((places, within)))
    }
}

/// Channels to log-probabilities of tokens: those of the most frequent ones and of the other clusters,
/// and in each cluster those of its tokens.
#[derive(Debug)]
pub struct AdaptiveSoftmax {
    /// Its clusters; its weights where they are shared.
    config: AdaptiveConfig,
    borders: Vec<i64>,
    weights: Vec<Tensor>,
    projections: Vec<Tensor>,
    biases: Vec<Tensor>,
    /// (C - 1, D₀) and (C - 1): the scores of the other clusters, the last one first.
    cluster_weight: Tensor,
    cluster_bias: Tensor,
}

impl AdaptiveSoftmax {
    /// Registers `cluster_weight`, `cluster_bias`, `out_layers_biases.*`, and what is not shared with
    /// `embedding`: `out_projs.*` and `out_layers_weights.*`. Draws from tch's CPU generator.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn new(scope: &mut Scope, embedding: &AdaptiveEmbedding) -> Result<Self> {
        let AdaptiveEmbedding { config, borders, .. } = embedding;
        let width = embedding.projections[0].size()[0];
        let (rarer, first) = (config.cutoffs.len() as i64, config.width(width, 0));
        let cpu = (Kind::Float, Device::Cpu);
        let mut zeros = |name: &str, size: &[i64], hyper| {
            scope.parameter(name, &Tensor::zeros(size, cpu), hyper)
        };
        let cluster_weight = zeros("cluster_weight", &[rarer, first], Hyper::GLOBAL)?;
        let cluster_bias = zeros("cluster_bias", &[rarer], Hyper::NO_DECAY)?;
        let (mut weights, mut projections, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..embedding.weights.len() {
            let (weight, projection) = (&embedding.weights[number], &embedding.projections[number]);
            let mut zeros = |name: String, like: &Tensor| {
                scope.parameter(&name, &Tensor::zeros(like.size(), cpu), Hyper::GLOBAL)
            };
            projections.push(match config.ties_projection(number) {
                true => projection.shallow_clone(),
                false => zeros(format!("out_projs.{number}"), projection)?,
            });
            weights.push(match config.tie_weights {
                true => weight.shallow_clone(),
                false => zeros(format!("out_layers_weights.{number}"), weight)?,
            });
            let bias = (Tensor::rand([weight.size()[0]], cpu) * 2.0 - 1.0) / (width as f64).sqrt();
            let name = format!("out_layers_biases.{number}");
            biases.push(scope.parameter(&name, &bias, Hyper::NO_DECAY)?);
        }
        let (config, borders) = (config.clone(), borders.clone());
        Ok(Self { config, borders, weights, projections, biases, cluster_weight, cluster_bias })
    }

    /// Log-probabilities (N, V) of all tokens after each position of x (N, H).
    ///
    /// # Errors
    /// If the device fails.
    pub fn log_probabilities(&self, x: &Tensor) -> Result<Tensor> {
        let head = self.head(x, false)?;
        let frequent = head.narrow(1, 0, self.borders[1]);
        let rarer = (1..self.weights.len()).map(|number| -> Result<Tensor> {
            let cluster = head.narrow(1, self.column(number), 1);
            Ok(cluster + self.within(x, number, false)?)
        });
        let all: Vec<Tensor> = std::iter::once(Ok(frequent)).chain(rarer).collect::<Result<_>>()?;
        Ok(Tensor::f_cat(&all, 1)?)
    }

    /// -log p (N) of the tokens `next` (N) after the positions of x (N, H): only the clusters that they
    /// are in are computed.
    ///
    /// # Errors
    /// If the device fails.
    pub fn nll(&self, x: &Tensor, next: &Tensor, train: bool) -> Result<Tensor> {
        let head = self.head(x, train)?;
        // In the head a rare token is the column of its cluster.
        let mut columns = next.shallow_clone();
        for number in 1..self.weights.len() {
            columns = columns.f_masked_fill(&self.is_member(next, number)?, self.column(number))?;
        }
        let mut log_p = head.f_gather(1, &columns.unsqueeze(1), false)?.squeeze_dim(1);
        for number in 1..self.weights.len() {
            let places = self.is_member(next, number)?.f_nonzero()?.squeeze_dim(1);
            if places.size()[0] == 0 {
                continue;
            }
            let scores = self.within(&x.f_index_select(0, &places)?, number, train)?;
            let tokens = next.f_index_select(0, &places)? - self.borders[number];
            let own = scores.f_gather(1, &tokens.unsqueeze(1), false)?.squeeze_dim(1);
            log_p = log_p.f_index_add(0, &places, &own)?;
        }
        Ok(-log_p)
    }

    fn is_member(&self, next: &Tensor, number: usize) -> Result<Tensor> {
        let (start, end) = (self.borders[number], self.borders[number + 1]);
        Ok(next.f_ge(start)?.f_logical_and(&next.f_lt(end)?)?)
    }

    /// The column of cluster `number` in the head: officially they are counted from the end.
    fn column(&self, number: usize) -> i64 {
        self.borders[1] + (self.weights.len() - 1 - number) as i64
    }

    /// Log-probabilities (N, D) of the most frequent tokens and the other clusters.
    fn head(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let weight = Tensor::f_cat(&[&self.weights[0], &self.cluster_weight], 0)?;
        let bias = Tensor::f_cat(&[&self.biases[0], &self.cluster_bias], 0)?;
        self.scored(x, 0, (&weight, &bias), train)
    }

    /// Log-probabilities of the tokens of a cluster, given that it is one of them.
    fn within(&self, x: &Tensor, number: usize, train: bool) -> Result<Tensor> {
        self.scored(x, number, (&self.weights[number], &self.biases[number]), train)
    }

    fn scored(
        &self,
        x: &Tensor,
        number: usize,
        (weight, bias): (&Tensor, &Tensor),
        train: bool,
    ) -> Result<Tensor> {
        let mut projected = x.f_matmul(&self.projections[number])?;
        if train {
            projected = dropped(&projected, self.config.dropout);
        }
        let scores = projected.f_linear(weight, Some(bias)).context("scores of a cluster")?;
        Ok(scores.f_log_softmax(1, scores.kind())?)
    }
}

fn dropped(x: &Tensor, probability: f64) -> Tensor {
    if probability > 0.0 { x.dropout(probability, true) } else { x.shallow_clone() }
}

fn normal(size: [i64; 2], std: f64) -> Tensor {
    Tensor::randn(size, (Kind::Float, Device::Cpu)) * std
}
