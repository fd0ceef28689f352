//! What a chunk of T steps needs of a discrete system: the columns Āᵗ b̄, the rows c Āᵗ, the taps
//! c Āᵗ b̄ and the carry Āᵀ, all in float64, the first three rounded to the model's kind.
//!
//! Where there are kernels (`powers.cu`), all of them are made by two launches; elsewhere by
//! [`krylov`] and products.
//!
//! Shapes: H channels, N states, C outputs a channel, R rank.

use anyhow::{Result, bail};
use cuda::{Argument, Kernel, Value};
use tch::{Kind, Tensor};

use super::discrete::DiscreteSsm;
use super::krylov::krylov;
use super::low_rank::LowRank;
use super::transition::{Rotation, Transition};
use crate::autograd::{self, Gradients};
use crate::gpu::{self, address, address_or_null, int};

/// Powers of Ā for chunks of T steps.
#[derive(Debug)]
pub struct Powers {
    /// Āᵗ b̄ for t < T, (H, T, N).
    pub columns: Tensor,
    /// c Āᵗ for t <= T, (C, H, T + 1, N).
    pub rows: Tensor,
    /// c Āᵗ b̄ for t < T, (C, H, T).
    pub taps: Tensor,
    /// Āᵀ in float64, diagonal or a full matrix.
    pub carry: Transition,
}

impl Powers {
    /// For chunks of `len` steps, with columns, rows and taps in `kind`.
    ///
    /// # Errors
    /// If a kernel cannot be started.
    pub fn new(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Result<Self> {
        match System::of(ssm, kind) {
            Some(system) => system.powers(len, kind),
            None => Ok(Self::by_tensors(ssm, len, kind)),
        }
    }

    fn by_tensors(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Self {
        let columns = krylov(&ssm.a, &ssm.b, len, kind).transpose(-1, -2); // (H, T, N)
        // The loops of a CPU advance row vectors as columns.
        let rows = krylov(&ssm.a.transposed(), &ssm.c, len + 1, kind).transpose(-1, -2);
        let taps = columns.matmul(&ssm.c.to_kind(kind).unsqueeze(-1)).squeeze_dim(-1); // (C, H, T)
        Self { columns, rows, taps, carry: ssm.a.full_power(len) }
    }
}

/// A block of threads has at most 32 warps, one for each vector.
const MOST_WARPS: i64 = 32;
/// Beyond, a lane would hold more of the state than its registers take.
const MOST_STATES: i64 = 128;

/// A discrete system as the kernels want it.
struct System<'a> {
    ssm: &'a DiscreteSsm,
    d: &'a Rotation,
    low_rank: Option<&'a LowRank>,
}

impl<'a> System<'a> {
    /// `None` where no kernel serves it.
    fn of(ssm: &'a DiscreteSsm, kind: Kind) -> Option<Self> {
        let (d, low_rank) = match &ssm.a {
            Transition::Diagonal(d) => (d, None),
            Transition::LowRank(a) => (&a.d, Some(a)),
            Transition::Dense(_) => return None,
        };
        let system = Self { ssm, d, low_rank };
        let launcher = gpu::launcher(&ssm.b)?;
        let fits = ssm.states() <= MOST_STATES && system.warps() <= MOST_WARPS;
        let fits = fits && system.rank() <= 4 && matches!(kind, Kind::Float | Kind::Double);
        (fits
            && kernels(ssm.states(), system.rank(), system.warps(), kind)
                .iter()
                .all(|k| launcher.has(k)))
        .then_some(system)
    }

    fn rank(&self) -> i64 {
        self.low_rank.map_or(0, LowRank::rank)
    }

    /// Columns, rows, both of each rank's factors, and Dᵀ.
    fn warps(&self) -> i64 {
        2 + self.ssm.c.size()[0] + 2 * self.rank()
    }

    fn powers(&self, len: i64, kind: Kind) -> Result<Powers> {
        let plain = |x: &Tensor| x.detach().contiguous();
        let [forward, backward] = kernels(self.ssm.states(), self.rank(), self.warps(), kind);
        let none = || Tensor::empty([0], (Kind::Double, self.ssm.b.device()));
        let tables = Tables {
            re: plain(&self.d.re),
            im: plain(&self.d.im),
            p: self.low_rank.map_or_else(none, |a| plain(&a.p.transpose(1, 2))),
            q: self.low_rank.map_or_else(none, |a| plain(&a.q)),
            b: plain(&self.ssm.b),
            c: plain(&self.ssm.c),
            rank: self.rank(),
            len,
            warps: self.warps(),
            backward,
        };
        let found = {
            let _guard = tch::no_grad_guard();
            tables.forward(&forward, kind)?
        };
        let [columns, rows, taps] =
            [&found.columns, &found.rows, &found.taps].map(Tensor::shallow_clone);
        let carry: Vec<Tensor> = found.carry.iter().map(Tensor::shallow_clone).collect();

        let mut inputs = vec![&self.d.re, &self.d.im, &self.ssm.b, &self.ssm.c];
        inputs.extend(self.low_rank.iter().flat_map(|a| [&a.p, &a.q]));
        let outputs: Vec<&Tensor> = [&columns, &rows, &taps].into_iter().chain(&carry).collect();
        autograd::attach(&inputs, &outputs, move |gradients| tables.backward(&found, gradients))?;
        let carry = match <[Tensor; 2]>::try_from(carry) {
            Ok([re, im]) => Transition::Diagonal(Rotation { re, im }),
            Err(mut dense) => Transition::Dense(dense.remove(0)),
        };
        Ok(Powers { columns, rows, taps, carry })
    }
}

/// Forward and backward.
pub(crate) fn kernels(states: i64, rank: i64, warps: i64, kind: Kind) -> [Kernel; 2] {
    ["powers", "powers_back"].map(|name| Kernel {
        name,
        source: include_str!("powers.cu"),
        constants: vec![
            ("N", Value::Number(states)),
            ("R", Value::Number(rank)),
            ("WARPS", Value::Number(warps)),
            ("VALUE", gpu::type_value(kind)),
        ],
    })
}

/// Contiguous, without a graph.
struct Tables {
    /// (H, N/2).
    re: Tensor,
    im: Tensor,
    /// Columns of P and rows of Q, (H, R, N).
    p: Tensor,
    q: Tensor,
    b: Tensor,
    c: Tensor,
    rank: i64,
    len: i64,
    warps: i64,
    backward: Kernel,
}

/// What the forward pass made.
struct Found {
    columns: Tensor,
    rows: Tensor,
    taps: Tensor,
    /// q Āᵗ and, in falling order, Dᵗ p: (H, R·T, N).
    low_rows: Tensor,
    low_columns: Tensor,
    /// What the transitions' factors made of each state, (H, 1 + C + R, T, R).
    products: Tensor,
    /// One matrix, or real and imaginary parts.
    carry: Vec<Tensor>,
}

impl Tables {
    /// The arguments that both kernels begin with.
    fn system(&self) -> Vec<Argument> {
        [&self.re, &self.im, &self.p, &self.q, &self.b, &self.c].map(address).into()
    }

    fn forward(&self, kernel: &Kernel, kind: Kind) -> Result<Found> {
        let (c, h, n) = self.c.size3()?;
        let (t, r) = (self.len, self.rank);
        let device = self.b.device();
        let empty = |shape: &[i64], kind| Tensor::empty(shape, (kind, device));
        let columns = empty(&[h, t, n], kind);
        let rows = empty(&[c, h, t + 1, n], kind);
        let taps = empty(&[c, h, t], kind);
        let [low_rows, low_columns] = [(); 2].map(|()| empty(&[h, r * t, n], Kind::Double));
        let products = empty(&[h, 1 + c + r, t, r], Kind::Double);
        let power = if r > 0 {
            Tensor::zeros([h, n, n], (Kind::Double, device))
        } else {
            empty(&[2, h, n / 2], Kind::Double)
        };
        let mut arguments = self.system();
        arguments.extend([
            address(&columns),
            address(&rows),
            address(&taps),
            address(&low_rows),
            address(&low_columns),
            address(&products),
            address(&power),
            int(h),
            int(c),
            int(t),
        ]);
        // SAFETY: the kernel's arguments, with the sizes that it is given.
        unsafe {
            gpu::launch(&self.b, kernel, (h, 1, 1), 32 * self.warps, &arguments)?;
        };
        let carry = if r > 0 {
            vec![power.baddbmm(&low_columns.transpose(1, 2), &low_rows, 1, -1)]
        } else {
            vec![power.select(0, 0), power.select(0, 1)]
        };
        Ok(Found { columns, rows, taps, low_rows, low_columns, products, carry })
    }

    fn backward(&self, found: &Found, gradients: &[Option<Tensor>]) -> Result<Gradients> {
        let [of_columns, of_rows, of_taps, of_carry @ ..] = gradients else {
            bail!("columns, rows and taps have a gradient each")
        };
        let (c, h, n) = self.c.size3()?;
        let (t, r) = (self.len, self.rank);
        let given = |g: &Option<Tensor>, like: &Tensor| match g {
            Some(g) => g.contiguous(),
            None => like.zeros_like(),
        };
        let of_columns = given(of_columns, &found.columns);
        let of_rows = given(of_rows, &found.rows);
        let of_taps = given(of_taps, &found.taps);
        let (of_power, low) = match of_carry {
            [g] => {
                let g = given(g, &found.carry[0]);
                // Āᵀ = Dᵀ - Σ (Dʲ p) (q Āⁱ)
                let negative = -&g;
                let of_rows = found.low_columns.bmm(&negative);
                let of_columns = found.low_rows.bmm(&negative.transpose(1, 2));
                (g, Some((of_rows, of_columns)))
            }
            [re, im] => {
                let parts = [given(re, &found.carry[0]), given(im, &found.carry[1])];
                (Tensor::stack(&parts, 0), None)
            }
            _ => bail!("the carry has one gradient or two"),
        };
        let empty = |x: &Tensor| x.empty_like();
        let (of_re, of_im) = (empty(&self.re), empty(&self.im));
        let (of_p, of_q) = (empty(&self.p), empty(&self.q));
        let (of_b, of_c) = (empty(&self.b), empty(&self.c));
        let mut arguments = self.system();
        arguments.extend([
            address(&found.columns),
            address(&found.rows),
            address(&found.low_rows),
            address(&found.low_columns),
            address(&found.products),
            address(&of_columns),
            address(&of_rows),
            address(&of_taps),
            address_or_null(low.as_ref().map(|(rows, _)| rows)),
            address_or_null(low.as_ref().map(|(_, columns)| columns)),
            address(&of_power),
            address(&of_re),
            address(&of_im),
            address(&of_p),
            address(&of_q),
            address(&of_b),
            address(&of_c),
            int(h),
            int(c),
            int(t),
        ]);
        debug_assert_eq!(n, 2 * self.re.size()[1]);
        // SAFETY: the kernel's arguments, with the sizes that it is given.
        unsafe {
            gpu::launch(&self.b, &self.backward, (h, 1, 1), 32 * self.warps, &arguments)?;
        };
        let mut found = vec![Some(of_re), Some(of_im), Some(of_b), Some(of_c)];
        if r > 0 {
            found.extend([Some(of_p.transpose(1, 2)), Some(of_q)]);
        }
        Ok(found)
    }
}
