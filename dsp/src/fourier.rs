//! The discrete Fourier transform.

use std::cell::RefCell;

use rustfft::FftPlanner;
pub use rustfft::num_complex::Complex;

thread_local! {
    /// Keeps what was prepared for each length.
    static PLANNER: RefCell<FftPlanner<f64>> = RefCell::new(FftPlanner::new());
}

/// Replaces x by its spectrum, `Σₙ x[n] exp(-2πi k n / N)` for each k, of any length N.
pub fn forward(x: &mut [Complex<f64>]) {
    PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(x.len())).process(x);
}

/// The inverse of [`forward`], but for the factor 1 / N.
pub fn inverse(x: &mut [Complex<f64>]) {
    PLANNER.with_borrow_mut(|planner| planner.plan_fft_inverse(x.len())).process(x);
}
