//! The order in which the official code reads the pixels of permuted MNIST.

/// The numbers below `n`, ordered by their binary digits read backwards (those of the next power of
/// two, the larger numbers left out): neighbours end up far apart.
pub fn bit_reversal(n: usize) -> Vec<usize> {
    let bits = n.next_power_of_two().trailing_zeros();
    let reversed = |i: usize| if bits == 0 { i } else { i.reverse_bits() >> (usize::BITS - bits) };
    (0..n.next_power_of_two()).map(reversed).filter(|&i| i < n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_orders_are_known() {
        assert_eq!(bit_reversal(8), [0, 4, 2, 6, 1, 5, 3, 7]);
        assert_eq!(bit_reversal(6), [0, 4, 2, 1, 5, 3]);
        assert_eq!(bit_reversal(1), [0]);
    }

    /// As numpy returns it: halves stacked side by side, ten times, what is beyond 784 left out.
    #[test]
    fn the_order_of_mnist_is_the_official_one() {
        let order = bit_reversal(784);
        assert_eq!(order[..8], [0, 512, 256, 768, 128, 640, 384, 64]);
        assert_eq!(order[776..], OFFICIAL_END);
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..784).collect::<Vec<_>>());
    }

    const OFFICIAL_END: [usize; 8] = [703, 447, 127, 639, 383, 255, 767, 511];
}
