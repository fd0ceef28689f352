//! `K[l] = c Āˡ b̄` by stepping: O(L) small products, nothing to get wrong. The oracle.

use tch::{Kind, Tensor};

use crate::ssm::discrete::DiscreteSsm;

/// The kernels (C, H, len) in `kind`.
pub fn kernel(ssm: &DiscreteSsm, len: i64, kind: Kind) -> Tensor {
    let mut x = ssm.b.shallow_clone(); // (H, N)
    let mut values = Vec::with_capacity(len as usize);
    for l in 0..len {
        if l > 0 {
            x = ssm.a.apply(&x);
        }
        values.push((&ssm.c * &x).sum_dim_intlist([-1i64].as_slice(), false, Kind::Double));
    }
    Tensor::stack(&values, -1).to_kind(kind)
}
