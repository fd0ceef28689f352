//! The arithmetic of an S4 block, whatever the method.

/// The sizes that count.
#[derive(Debug, Clone, Copy)]
pub struct BlockSize {
    pub batch: i64,
    /// Channels H.
    pub channels: i64,
    /// States N.
    pub states: i64,
    /// Length L.
    pub length: i64,
    /// Kernels a channel: 2 in a bidirectional block.
    pub kernels: i64,
    /// Outputs of the map that mixes the channels: 2 H with GLU.
    pub outputs: i64,
}

/// FLOP of a forward pass:
///
/// ```text
/// kernel        2 K H N L                      K kernels of L values, N multiplications and additions each
/// convolution   (2 B + 1) H 2.5 P log₂ P       FFTs of size P = 2 L: inputs, outputs, one kernel
///               3 B H P                        P/2 complex products
/// mixing        2 B L H W                      a matrix (W, H) at every position
/// ```
///
/// With the backward pass it is three times as much: a product has two gradients, each as large as
/// itself. Pointwise functions are not counted.
pub fn forward_flop(size: BlockSize) -> f64 {
    let BlockSize { batch, channels, states, length, kernels, outputs } = size;
    let [b, h, n, l, k, w] =
        [batch, channels, states, length, kernels, outputs].map(|size| size as f64);
    let p = 2.0 * l;
    let kernel = 2.0 * k * h * n * l;
    let convolution = (2.0 * b + 1.0) * h * 2.5 * p * p.log2() + 3.0 * b * h * p;
    let mixing = 2.0 * b * l * h * w;
    kernel + convolution + mixing
}
