//! Random models: a configuration and weights that fit it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// The stand-alone SaShiMi of S4 layers, or without `pool` a plain stack of them.
#[derive(Debug, Clone)]
pub struct Shape {
    pub d_model: usize,
    pub n_layers: usize,
    pub pool: Option<Vec<usize>>,
    pub d_state: usize,
    pub levels: usize,
}

impl Shape {
    /// `config.toml`.
    pub fn config(&self) -> String {
        let Self { d_model, n_layers, d_state, .. } = self;
        let kind = match &self.pool {
            Some(pool) => format!("backbone = \"sashimi\"\npool = {pool:?}"),
            None => "backbone = \"s4\"".to_owned(),
        };
        format!(
            "[model]\nd_model = {d_model}\nn_layers = {n_layers}\n{kind}\n\
             [model.layer.ssm]\nd_state = {d_state}\n"
        )
    }

    /// A safetensors file.
    pub fn weights(&self, seed: u64) -> Vec<u8> {
        let mut file = self.without_decoder(seed);
        file.linear("decoder.output_transform", self.d_model, self.levels);
        file.bytes()
    }

    fn without_decoder(&self, seed: u64) -> File {
        let mut file = File { rng: ChaCha8Rng::seed_from_u64(seed), tensors: Vec::new() };
        file.uniform("encoder.weight", &[self.levels, self.d_model], 1.7);
        self.backbone(&mut file);
        file
    }

    fn backbone(&self, file: &mut File) {
        let h = self.d_model;
        match &self.pool {
            Some(pool) => self.hourglass(file, pool),
            None => {
                for i in 0..self.n_layers {
                    let place = format!("model.layers.{i}");
                    self.s4(file, &format!("{place}.layer"), h);
                    file.norm(&format!("{place}.norm.norm"), h);
                }
            }
        }
    }

    fn hourglass(&self, file: &mut File, pool: &[usize]) {
        let h = self.d_model;
        for (depth, &factor) in pool.iter().enumerate() {
            let (fine, coarse) = (h << depth, h << (depth + 1));
            file.pointwise(&format!("model.d_layers.{depth}.linear"), factor * fine, coarse);
            let up = format!("model.u_layers.{}", pool.len() - 1 - depth);
            // Levels on the way up are numbered from the inside.
            file.pointwise(&format!("{up}.0.linear"), coarse, factor * fine);
            self.blocks(file, &up, 1, fine);
        }
        self.blocks(file, "model.c_layers", 0, h << pool.len());
        file.norm("model.norm", h);
    }

    fn s4(&self, file: &mut File, place: &str, width: usize) {
        let (kernel, pairs) = (format!("{place}.layer.kernel"), self.d_state / 2);
        file.uniform(&format!("{place}.layer.D"), &[1, width], 1.0);
        file.add(&format!("{kernel}.l_kernel"), &[], Dtype::I64, 0i64.to_le_bytes().to_vec());
        let steps: Vec<f32> = (0..width).map(|_| file.rng.random_range(-7.0..-2.3)).collect();
        file.numbers(&format!("{kernel}.inv_dt"), &[width, 1], &steps);
        file.numbers(&format!("{kernel}.A_real"), &[width, pairs], &vec![-0.7; width * pairs]);
        let frequencies: Vec<f32> =
            (0..width * pairs).map(|i| (i % pairs) as f32 * std::f32::consts::PI).collect();
        file.numbers(&format!("{kernel}.A_imag"), &[width, pairs], &frequencies);
        file.uniform(&format!("{kernel}.B"), &[1, width, pairs, 2], 1.0);
        file.uniform(&format!("{kernel}.C"), &[1, width, pairs, 2], 1.0);
        file.uniform(&format!("{kernel}.P"), &[1, width, pairs, 2], 1.0);
        file.linear(&format!("{place}.output_linear.0"), width, 2 * width);
    }

    fn blocks(&self, file: &mut File, place: &str, first: usize, width: usize) {
        for i in 0..self.n_layers {
            let s4 = format!("{place}.{}", first + 2 * i);
            self.s4(file, &format!("{s4}.layer"), width);
            file.norm(&format!("{s4}.norm"), width);
            let ff = format!("{place}.{}", first + 2 * i + 1);
            file.pointwise(&format!("{ff}.layer.ff.0.0"), width, 2 * width);
            file.pointwise(&format!("{ff}.layer.ff.2"), 2 * width, width);
            file.norm(&format!("{ff}.norm"), width);
        }
    }
}

/// A stack that looks at codes further back, before and after it: `config.toml` and a safetensors file.
pub fn looking_back() -> (String, Vec<u8>) {
    let shape = Shape { d_model: 24, n_layers: 1, pool: None, d_state: 8, levels: 18 };
    let more =
        "[model]\nlags = [2, 5]\nlogistics = { components = 3, predictors = [[1], [2, 4, -5]] }\n";
    let mut file = shape.without_decoder(2);
    for lag in [2, 5] {
        file.uniform(&format!("encoder.lags.{lag}.weight"), &[shape.levels, shape.d_model], 1.0);
    }
    file.linear("decoder.logistics", shape.d_model, 3 * (3 + 2));
    (shape.config().replacen("[model]\n", more, 1), file.bytes())
}

/// A stack with codes in three clusters, of which the last has an output map of its own: `config.toml` and a
/// safetensors file.
pub fn clusters() -> (String, Vec<u8>) {
    let shape = Shape { d_model: 24, n_layers: 1, pool: None, d_state: 8, levels: 18 };
    let more =
        "[model]\nadaptive = { cutoffs = [5, 9], divisor = 2, tie_projections = [true, false] }\n";
    let mut file = File { rng: ChaCha8Rng::seed_from_u64(3), tensors: Vec::new() };
    let width = shape.d_model;
    for (i, (count, entries)) in [(5, 24), (4, 12), (9, 6)].into_iter().enumerate() {
        file.uniform(&format!("encoder.emb_layers.{i}.weight"), &[count, entries], 1.0);
        file.uniform(&format!("encoder.emb_projs.{i}"), &[width, entries], 0.3);
        file.uniform(&format!("decoder.out_layers_biases.{i}"), &[count], 1.0);
        if i != 1 {
            file.uniform(&format!("decoder.out_projs.{i}"), &[width, entries], 0.3);
        }
    }
    file.uniform("decoder.cluster_weight", &[2, width], 0.5);
    file.uniform("decoder.cluster_bias", &[2], 0.5);
    shape.backbone(&mut file);
    (shape.config().replacen("[model]\n", more, 1), file.bytes())
}

/// WaveNet and SampleRNN of 18 codes: `config.toml` and a safetensors file.
pub fn baselines() -> [(String, Vec<u8>); 2] {
    let levels = 18;
    let file = || File { rng: ChaCha8Rng::seed_from_u64(1), tensors: Vec::new() };

    let (h, r, d, s, e) = (6, 5, 7, 9, 4);
    let config = format!(
        "[model]\nbackbone = \"wavenet\"\nd_model = {h}\n[model.wavenet]\nlayers = 3\nblocks = 2\n\
         residual_channels = {r}\ndilation_channels = {d}\nskip_channels = {s}\n\
         end_channels = {e}\nbias = true\n"
    );
    let mut wavenet = file();
    wavenet.uniform("encoder.weight", &[levels, h], 1.7);
    wavenet.weight("model.start_conv", &[r, h, 1]);
    for i in 0..6 {
        wavenet.weight(&format!("model.filter_convs.{i}"), &[d, r, 2]);
        wavenet.weight(&format!("model.gate_convs.{i}"), &[d, r, 2]);
        wavenet.weight(&format!("model.residual_convs.{i}"), &[r, d, 1]);
        wavenet.weight(&format!("model.skip_convs.{i}"), &[s, d, 1]);
    }
    wavenet.weight("model.end_conv_1", &[e, s, 1]);
    wavenet.weight("model.end_conv_2", &[h, e, 1]);
    wavenet.linear("decoder.output_transform", h, levels);

    let frames = format!(
        "[model]\nbackbone = \"samplernn\"\nd_model = {d}\n[model.samplernn]\n\
         frame_sizes = [2, 3]\nd_hidden = {h}\nlearn_h0 = false\nweight_norm = false\n"
    );
    let mut samplernn = file();
    for (i, (ratio, frame)) in [(2, 2), (3, 6)].into_iter().enumerate() {
        let tier = format!("model.frame_level_rnns.{i}");
        samplernn.weight(&format!("{tier}.input_expand"), &[h, frame, 1]);
        for kind in ["ih", "hh"] {
            samplernn.uniform(&format!("{tier}.rnn.weight_{kind}_l0"), &[3 * h, h], 0.5);
            samplernn.uniform(&format!("{tier}.rnn.bias_{kind}_l0"), &[3 * h], 0.5);
        }
        samplernn.uniform(&format!("{tier}.upsampling.conv_t.weight"), &[h, h, ratio], 0.5);
        samplernn.uniform(&format!("{tier}.upsampling.bias"), &[h, ratio], 0.5);
    }
    let samples = "model.sample_level_mlp";
    samplernn.uniform(&format!("{samples}.embedding.weight"), &[levels, d], 1.7);
    samplernn.uniform(&format!("{samples}.input.weight"), &[h, d, 2], 0.5);
    samplernn.weight(&format!("{samples}.hidden"), &[h, h, 1]);
    samplernn.weight(&format!("{samples}.output"), &[levels, h, 1]);

    [(config, wavenet.bytes()), (frames, samplernn.bytes())]
}

struct File {
    rng: ChaCha8Rng,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl File {
    fn add(&mut self, name: &str, shape: &[usize], dtype: Dtype, bytes: Vec<u8>) {
        self.tensors.push((name.to_owned(), dtype, shape.to_vec(), bytes));
    }

    fn numbers(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.add(name, shape, Dtype::F32, bytes);
    }

    fn uniform(&mut self, name: &str, shape: &[usize], size: f32) {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| self.rng.random_range(-size..size)).collect();
        self.numbers(name, shape, &values);
    }

    fn linear(&mut self, place: &str, inputs: usize, outputs: usize) {
        self.weight(place, &[outputs, inputs]);
    }

    fn pointwise(&mut self, place: &str, inputs: usize, outputs: usize) {
        self.weight(place, &[outputs, inputs, 1]);
    }

    fn weight(&mut self, place: &str, shape: &[usize]) {
        let size = 1.0 / (shape[1] as f32).sqrt();
        self.uniform(&format!("{place}.weight"), shape, size);
        self.uniform(&format!("{place}.bias"), &shape[..1], size);
    }

    fn norm(&mut self, place: &str, width: usize) {
        self.numbers(&format!("{place}.weight"), &[width], &vec![1.0; width]);
        self.numbers(&format!("{place}.bias"), &[width], &vec![0.0; width]);
    }

    fn bytes(self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("shape and bytes fit");
            (name.as_str(), view)
        });
        safetensors::serialize(views, &None).expect("plain tensors")
    }
}
