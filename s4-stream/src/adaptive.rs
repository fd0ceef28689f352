//! Adaptive embedding and softmax, as the crate `models` says it: tokens are in clusters, the rarer the
//! later, whose vectors are ever shorter.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use s4_config::AdaptiveConfig;

use crate::layer::linear::{Linear, Vectors};
use crate::settings::size;
use crate::simd::{Arena, Isa, Lanes, WIDTH, lanes, pack_into};
use crate::weights::Place;

/// Some tokens with vectors of one length.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    tokens: Range<usize>,
    /// Entries D of a vector.
    entries: usize,
    /// (tokens, D).
    vectors: Vec<f32>,
    /// (H, D): vectors to channels.
    map: Vec<f32>,
    projection: Linear,
}

/// Tokens to vectors.
#[derive(Debug, Clone)]
pub(crate) struct AdaptiveEmbedding(Vec<Cluster>);

impl AdaptiveEmbedding {
    /// `emb_layers.*.weight` and `emb_projs.*` of a network of `width` channels.
    pub fn read(place: &Place, config: &AdaptiveConfig, width: usize) -> Result<Self> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for number in 0..=config.cutoffs.len() {
            let entries = size(config.width(width as i64, number));
            let rows = place.sub(format!("emb_layers.{number}")).rows("weight", entries)?;
            let start = clusters.last().map_or(0, |cluster| cluster.tokens.end);
            let tokens = start..start + rows.len() / entries;
            if let Some(&cutoff) = config.cutoffs.get(number) {
                ensure!(
                    tokens.end == size(cutoff),
                    "cluster {number} of the encoder has the tokens {tokens:?}, and ends at {cutoff} in \
                     model.adaptive.cutoffs"
                );
            }
            let map = place.tensor(&format!("emb_projs.{number}"), &[width, entries])?;
            let map: Vec<f32> = map.into_iter().map(|x| x as f32).collect();
            let scale = (width as f32).sqrt();
            let weight = |row: usize, column: usize| map[row * entries + column] * scale;
            let (x, y) = (Vectors::one(entries), Vectors::one(width));
            let projection = Linear::new(x, y, weight, |_| 0.0, |lanes| place.keep(lanes));
            let vectors = rows.into_iter().map(|x| x as f32).collect();
            clusters.push(Cluster { tokens, entries, vectors, map, projection });
        }
        Ok(Self(clusters))
    }

    /// Different tokens.
    pub fn tokens(&self) -> usize {
        self.0.last().map_or(0, |cluster| cluster.tokens.end)
    }

    /// The clusters, that of the most frequent tokens first.
    pub fn clusters(&self) -> &[Cluster] {
        &self.0
    }

    /// Lanes of scratch space.
    pub fn scratch(&self) -> usize {
        self.0.iter().map(|cluster| lanes(cluster.entries)).max().unwrap_or(0)
    }

    pub fn round(&mut self, arena: &mut Arena) {
        self.0.iter_mut().for_each(|cluster| cluster.projection.round(arena));
    }

    /// The channels x of a token.
    pub fn apply(&self, isa: Isa, token: usize, scratch: &mut [Lanes], x: &mut [Lanes]) {
        let own = self.0.iter().find(|cluster| cluster.tokens.contains(&token));
        let Cluster { tokens, entries, vectors, projection, .. } =
            own.expect("tokens are checked first");
        let vector = &mut scratch[..lanes(*entries)];
        pack_into(&vectors[(token - tokens.start) * entries..][..*entries], vector);
        projection.apply(isa, vector, x);
    }
}

/// Channels to log-probabilities of tokens: those of the most frequent ones and of the other clusters,
/// and in each cluster those of its tokens.
#[derive(Debug, Clone)]
pub(crate) struct AdaptiveSoftmax(Vec<Scores>);

/// The scores of a cluster's tokens; after those of the first cluster also those of the other clusters, the last
/// one first.
#[derive(Debug, Clone)]
struct Scores {
    tokens: Range<usize>,
    /// Channels to a vector.
    projection: Linear,
    /// A vector to scores.
    scores: Linear,
}

impl AdaptiveSoftmax {
    /// `cluster_weight`, `cluster_bias`, `out_layers_biases.*`, and what is not shared with the embedding's
    /// `clusters`.
    pub fn read(
        place: &Place,
        config: &AdaptiveConfig,
        clusters: &[Cluster],
        width: usize,
    ) -> Result<Self> {
        let rarer = clusters.len() - 1;
        let read = |(number, cluster): (usize, &Cluster)| -> Result<Scores> {
            let Cluster { tokens, entries, vectors, map, .. } = cluster;
            let (count, entries) = (tokens.len(), *entries);
            let own = |name: &str, shape: [usize; 2]| -> Result<Vec<f32>> {
                let values = place.tensor(&format!("{name}.{number}"), &shape)?;
                Ok(values.into_iter().map(|x| x as f32).collect())
            };
            let map = match config.ties_projection(number) {
                true => map.clone(),
                false => own("out_projs", [width, entries])?,
            };
            let mut weight = match config.tie_weights {
                true => vectors.clone(),
                false => own("out_layers_weights", [count, entries])?,
            };
            let mut bias = place.tensor(&format!("out_layers_biases.{number}"), &[count])?;
            if number == 0 {
                let others = place.tensor("cluster_weight", &[rarer, entries])?;
                weight.extend(others.into_iter().map(|x| x as f32));
                bias.extend(place.tensor("cluster_bias", &[rarer])?);
            }
            let keep = |lanes: &[Lanes]| place.keep(lanes);
            let vector = Vectors::one(entries);
            let transposed = |row: usize, column: usize| map[column * entries + row];
            let projection = Linear::new(Vectors::one(width), vector, transposed, |_| 0.0, keep);
            let score = |row: usize, column: usize| weight[row * entries + column];
            let bias_of = |row: usize| bias[row] as f32;
            let scores = Linear::new(vector, Vectors::one(bias.len()), score, bias_of, keep);
            Ok(Scores { tokens: tokens.clone(), projection, scores })
        };
        let scores = clusters.iter().enumerate().map(read).collect::<Result<_>>();
        scores.map(Self).context("adaptive softmax")
    }

    /// Different tokens.
    pub fn tokens(&self) -> usize {
        self.0.last().map_or(0, |cluster| cluster.tokens.end)
    }

    pub fn round(&mut self, arena: &mut Arena) {
        for Scores { projection, scores, .. } in &mut self.0 {
            projection.round(arena);
            scores.round(arena);
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        let bytes = |it: &Scores| it.projection.bytes() + it.scores.bytes();
        self.0.iter().map(bytes).sum()
    }

    /// Lanes of scratch space for vectors and for scores of a sequence.
    pub fn scratch(&self) -> (usize, usize) {
        let most = |of: fn(&Scores) -> &Linear| self.0.iter().map(|it| of(it).outputs()).max();
        (most(|it| &it.projection).unwrap_or(0), most(|it| &it.scores).unwrap_or(0))
    }

    /// Log-probabilities (B, V) after the channels x (B, H).
    pub fn apply(
        &self,
        isa: Isa,
        x: &[Lanes],
        vectors: &mut [Lanes],
        scores: &mut [Lanes],
        log_p: &mut [f32],
    ) {
        let (all, rarer) = (self.tokens(), self.0.len() - 1);
        let batch = log_p.len() / all;
        // The first token of each cluster holds the log-probability of the cluster, until its turn.
        for (number, cluster) in self.0.iter().enumerate() {
            let Scores { tokens, projection, scores: linear } = cluster;
            let vectors = &mut vectors[..batch * projection.outputs()];
            let scores = &mut scores[..batch * linear.outputs()];
            projection.apply(isa, x, vectors);
            linear.apply(isa, vectors, scores);
            let rows = log_p.chunks_exact_mut(all).zip(scores.chunks_exact(linear.outputs()));
            for (row, scores) in rows {
                let count = tokens.len() + if number == 0 { rarer } else { 0 };
                let score = |i: usize| scores[i / WIDTH].0[i % WIDTH];
                let given = if number == 0 { 0.0 } else { f64::from(row[tokens.start]) };
                let shift = given - log_sum_exp(count, score);
                let log_p = |i: usize| (f64::from(score(i)) + shift) as f32;
                row[tokens.clone()].iter_mut().enumerate().for_each(|(i, x)| *x = log_p(i));
                if number == 0 {
                    for (other, cluster) in self.0[1..].iter().enumerate() {
                        row[cluster.tokens.start] = log_p(tokens.len() + rarer - 1 - other);
                    }
                }
            }
        }
    }
}

/// log Σ exp of `count` numbers.
fn log_sum_exp(count: usize, number: impl Fn(usize) -> f32) -> f64 {
    let largest = (0..count).map(&number).fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = (0..count).map(|i| f64::from((number(i) - largest).exp())).sum();
    f64::from(largest) + sum.ln()
}
