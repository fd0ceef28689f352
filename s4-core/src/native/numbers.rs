//! The numbers of a tensor, for loops on several threads.

use std::iter::Sum;
use std::ops::{Add, Mul, Neg};

use tch::{Device, Kind, Tensor};

/// The numbers of a contiguous tensor on the CPU, shared between threads that keep to different
/// parts. The tensor must outlive it.
#[derive(Debug)]
pub struct Numbers<T>(*mut T);

// SAFETY: whoever takes a part promises that nobody else has it.
unsafe impl<T> Sync for Numbers<T> {}

/// A floating point kind of tensors.
pub trait Element:
    Copy + Send + Sync + Default + Add<Output = Self> + Mul<Output = Self> + Neg<Output = Self> + Sum
{
    /// Its name in libtorch.
    const KIND: Kind;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounded.
    fn from_f64(x: f64) -> Self;
    /// x y + z, rounded once.
    fn fused(x: Self, y: Self, z: Self) -> Self;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn fused(x: Self, y: Self, z: Self) -> Self {
        x.mul_add(y, z)
    }
}

impl Element for f64 {
    const KIND: Kind = Kind::Double;
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn fused(x: Self, y: Self, z: Self) -> Self {
        x.mul_add(y, z)
    }
}

impl<T: Element> Numbers<T> {
    /// The numbers of this tensor.
    ///
    /// # Panics
    /// If it is not contiguous, of another kind or on another device.
    pub fn of(tensor: &Tensor) -> Self {
        assert!(tensor.is_contiguous(), "a contiguous tensor is needed");
        assert_eq!((tensor.kind(), tensor.device()), (T::KIND, Device::Cpu));
        Self(tensor.data_ptr().cast())
    }

    /// `count` numbers from `start` on.
    ///
    /// # Safety
    /// They must lie inside the tensor.
    pub unsafe fn read(&self, start: usize, count: usize) -> &[T] {
        if count == 0 {
            return &[]; // an empty tensor has no address
        }
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts(self.0.add(start), count) }
    }

    /// The same to be written.
    ///
    /// # Safety
    /// They must lie inside the tensor, and nobody else may hold any of them.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, start: usize, count: usize) -> &mut [T] {
        if count == 0 {
            return &mut [];
        }
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), count) }
    }
}
