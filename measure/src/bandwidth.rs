//! How fast memory and caches are read.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Elements of each of the triad's three arrays: 128 MiB, more than caches hold.
const TRIAD: usize = 32 << 20;
const ROUNDS: usize = 7;

/// Bytes a second of the triad a ← b + x c in float32 on `threads` threads, the best of several
/// rounds (McCalpin's STREAM): three arrays are counted; that writing a line may read it first is
/// not.
pub(crate) fn triad(threads: usize) -> f64 {
    let (b, c) = (vec![1.0f32; TRIAD], vec![2.0f32; TRIAD]);
    let mut a = vec![0.5f32; TRIAD];
    let share = TRIAD.div_ceil(threads);
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        let x = black_box(round as f32);
        let start = Instant::now();
        std::thread::scope(|scope| {
            let parts = a.chunks_mut(share).zip(b.chunks(share)).zip(c.chunks(share));
            for ((a, b), c) in parts {
                scope.spawn(move || {
                    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                        *a = b + x * c;
                    }
                });
            }
        });
        best = best.min(start.elapsed().as_secs_f64());
        black_box(&a);
    }
    (3 * size_of::<f32>() * TRIAD) as f64 / best
}

/// Bytes a second at which one thread reads `bytes` bytes again and again for `limit`: what the
/// caches give that hold them.
pub fn sweep(bytes: usize, limit: Duration) -> f64 {
    let data = vec![1u64; bytes / 8];
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < limit {
        let before = Instant::now();
        let (chunks, _) = black_box(&data).as_chunks::<32>();
        let mut sums = [0u64; 32];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum ^= x;
            }
        }
        black_box(sums);
        best = best.min(before.elapsed().as_secs_f64());
    }
    bytes as f64 / best
}
