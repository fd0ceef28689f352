//! Batch norm whose batch is divided among processes: by the statistics of all rows, forward and
//! backward.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use super::batch_norm::{MOMENTUM, Running};
use crate::autograd;
use crate::shard::Shard;

/// [`super::batch_norm::batch_norm`] in training, of this process's part x of the batch.
///
/// # Panics
/// If another process is lost: as everything of libtorch's in a forward pass.
pub(super) fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<Running>,
    eps: f64,
    shard: &Shard,
) -> Tensor {
    let done = differentiable(x, weight, bias, running, eps, shard);
    done.unwrap_or_else(|error| panic!("{error:#}"))
}

fn differentiable(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: Option<Running>,
    eps: f64,
    shard: &Shard,
) -> Result<Tensor> {
    let guard = tch::no_grad_guard();
    let kind = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let moments = Moments::of(&x.detach().to_kind(kind), shard)?;
    if let Some((mean, var)) = running {
        let unbiased = &moments.squares / (&moments.count - 1.0);
        for (running, new) in [(mean, &moments.mean), (var, &unbiased)] {
            let _ = running.shallow_clone().f_lerp_(&new.to_kind(running.kind()), MOMENTUM)?;
        }
    }
    let scale = (&moments.squares / &moments.count + eps).rsqrt();
    let along = Along::channels_of(x);
    let normalised = (x.detach().to_kind(kind) - along.spread(&moments.mean.to_kind(kind)))
        * along.spread(&scale.to_kind(kind));
    let weight_kind = weight.kind();
    let weight_here = weight.detach().to_kind(kind);
    let y = &normalised * along.spread(&weight_here) + along.spread(&bias.detach().to_kind(kind));
    let y = y.to_kind(x.kind());
    drop(guard);
    let (x_kind, shard) = (x.kind(), shard.clone());
    autograd::attach(&[x, weight, bias], &[&y], move |gradients| {
        let [Some(g)] = gradients else { bail!("one output has one gradient") };
        let g = g.to_kind(kind);
        // Of the parameters: this process's share, which is summed with all other gradients.
        let of_bias = along.sum(&g);
        let of_weight = along.sum(&(&g * &normalised));
        let of_all = Tensor::f_stack(&[&of_bias, &of_weight], 0)?.to_kind(Kind::Double);
        shard.peers.sum(&of_all)?;
        let means = (of_all / &moments.count).to_kind(kind);
        let centred = g - along.spread(&means.get(0)) - &normalised * along.spread(&means.get(1));
        let of_x = centred * along.spread(&(&weight_here * scale.to_kind(kind)));
        let of = |gradient: Tensor| Some(gradient.to_kind(weight_kind));
        Ok(vec![Some(of_x.to_kind(x_kind)), of(of_weight), of(of_bias)])
    })?;
    Ok(y)
}

/// Of each channel, over all rows of all processes, in double precision.
struct Moments {
    /// (H).
    mean: Tensor,
    /// Sums of squared distances from it, (H).
    squares: Tensor,
    /// Values, a scalar.
    count: Tensor,
}

impl Moments {
    fn of(x: &Tensor, shard: &Shard) -> Result<Self> {
        let along = Along::channels_of(x);
        let count = (x.numel() as i64 / x.size()[1]) as f64;
        let mean = along.sum(x) / count;
        let squares = along.sum(&(x - along.spread(&mean)).square());
        let rows = [mean, squares.shallow_clone(), squares.ones_like() * count];
        let own = Tensor::f_stack(&rows, 0)?.to_kind(Kind::Double);
        let all = shard.peers.gather(&own)?; // (processes, 3, H)
        let [means, squares, counts] = [0, 1, 2].map(|row| all.select(1, row));
        // Chan, Golub & LeVeque (1983): moments of a whole from those of its parts.
        let sum = |x: &Tensor| x.sum_dim_intlist([0i64].as_slice(), false, None);
        let count = sum(&counts);
        let mean = sum(&(&means * &counts)) / &count;
        let squares = sum(&(squares + counts * (means - &mean).square()));
        Ok(Self { mean, squares, count })
    }
}

/// Along which dimensions a channel lies: all but the second.
struct Along(Vec<i64>);

impl Along {
    fn channels_of(x: &Tensor) -> Self {
        Self((0..x.dim() as i64).filter(|&dim| dim != 1).collect())
    }

    /// (H).
    fn sum(&self, x: &Tensor) -> Tensor {
        x.sum_dim_intlist(self.0.as_slice(), false, None)
    }

    /// (H) as (H, 1) or (H), to be combined with x.
    fn spread(&self, of_channels: &Tensor) -> Tensor {
        if self.0.len() == 2 { of_channels.unsqueeze(-1) } else { of_channels.shallow_clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::{Arc, Barrier, Mutex};

    use tch::Device;

    use super::super::batch_norm::batch_norm as whole;
    use super::*;
    use crate::shard::Peers;

    /// Two threads in the place of two processes.
    struct Two {
        rank: usize,
        places: Arc<Mutex<[Option<Tensor>; 2]>>,
        barrier: Arc<Barrier>,
    }

    impl Peers for Two {
        fn sum(&self, x: &Tensor) -> Result<()> {
            let all = self.gather(x)?;
            x.shallow_clone().copy_(&all.sum_dim_intlist([0i64].as_slice(), false, None));
            Ok(())
        }

        fn gather(&self, x: &Tensor) -> Result<Tensor> {
            self.places.lock().unwrap()[self.rank] = Some(x.copy());
            self.barrier.wait();
            let all: Vec<Tensor> =
                self.places.lock().unwrap().iter().map(|x| x.as_ref().unwrap().copy()).collect();
            self.barrier.wait();
            Ok(Tensor::stack(&all, 0))
        }
    }

    /// Rows of an operation's results: y, gradients of x, weight and bias, running mean and variance.
    type Results = Vec<Tensor>;

    fn run(
        x: &Tensor,
        g: &Tensor,
        norm: impl FnOnce(&Tensor, &Tensor, &Tensor, Running) -> Tensor,
    ) -> Results {
        let h = x.size()[1];
        let leaf = |x: &Tensor| x.copy().set_requires_grad(true);
        let options = (Kind::Double, Device::Cpu);
        let x = leaf(x);
        let (weight, bias) =
            (leaf(&(Tensor::arange(h, options) - 0.5)), leaf(&Tensor::ones([h], options)));
        let (mean, var) = (Tensor::full([h], 0.3, options), Tensor::full([h], 2.0, options));
        let y = norm(&x, &weight, &bias, (&mean, &var));
        (&y * g).sum(Kind::Double).backward();
        vec![y.detach(), x.grad(), weight.grad(), bias.grad(), mean, var]
    }

    #[test]
    fn parts_of_unequal_size_are_as_the_whole() {
        for tail in [vec![7], vec![]] {
            let shape = [[5, 3].as_slice(), &tail].concat();
            let options = (Kind::Double, Device::Cpu);
            let (x, g) =
                (Tensor::randn(&shape, options) * 3.0 + 5.0, Tensor::randn(&shape, options));
            let expected =
                run(&x, &g, |x, w, b, running| whole(x, w, b, Some(running), true, 1e-5));
            let places = Arc::new(Mutex::new([None, None]));
            let barrier = Arc::new(Barrier::new(2));
            let part = |rank: usize, rows: Range<i64>| {
                let peers =
                    Arc::new(Two { rank, places: places.clone(), barrier: barrier.clone() });
                let shard = Shard { rows: rows.clone(), of: 5, peers };
                let of = |x: &Tensor| x.narrow(0, rows.start, rows.end - rows.start).copy();
                let (x, g) = (of(&x), of(&g));
                move || {
                    run(&x, &g, |x, w, b, running| batch_norm(x, w, b, Some(running), 1e-5, &shard))
                }
            };
            let other = std::thread::spawn(part(1, 2..5));
            let (first, second) = (part(0, 0..2)(), other.join().unwrap());
            let pairs = first.into_iter().zip(second).zip(expected).enumerate();
            for (number, ((a, b), expected)) in pairs {
                let together = match number {
                    0 | 1 => Tensor::cat(&[a, b], 0),
                    2 | 3 => a + b,
                    _ => {
                        assert_eq!(a, b);
                        a
                    }
                };
                let off = (together - expected).abs().max().double_value(&[]);
                assert!(off < 1e-12, "result {number}: {off}");
            }
        }
    }
}
