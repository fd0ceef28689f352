//! What a kernel is: a CUDA source, the function in it, and the constants it is compiled with.

use std::ffi::c_void;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A kernel before it is compiled. Each set of constants makes a program of its own.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The function's name, `extern "C" __global__`.
    pub name: &'static str,
    /// CUDA C++; [`PRELUDE`] comes before it.
    pub source: &'static str,
    /// Macros that are defined before the source is read.
    pub constants: Vec<(&'static str, Value)>,
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// What a constant stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number.
    Number(i64),
    /// A type, such as `float`.
    Type(&'static str),
}

/// What every source begins with: `bf16`, packs of values that are loaded at once, sums over a warp.
pub const PRELUDE: &str = include_str!("prelude.cuh");

/// One argument of a launch.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// The address of a tensor's first element; null where a tensor is left out.
    Pointer(*const c_void),
    /// `int`.
    Int(i32),
    /// `long long`.
    Long(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
}

impl Argument {
    /// Where the value lies, as a launch wants it.
    pub(crate) fn address(&self) -> *mut c_void {
        let address: *const c_void = match self {
            Argument::Pointer(x) => std::ptr::from_ref(x).cast(),
            Argument::Int(x) => std::ptr::from_ref(x).cast(),
            Argument::Long(x) => std::ptr::from_ref(x).cast(),
            Argument::Float(x) => std::ptr::from_ref(x).cast(),
            Argument::Double(x) => std::ptr::from_ref(x).cast(),
        };
        address.cast_mut()
    }
}

impl Kernel {
    /// What tells one from another. A launch must not read the source for that, so a source is known by
    /// where it lies.
    fn key(&self) -> (&'static str, *const u8, &[(&'static str, Value)]) {
        (self.name, self.source.as_ptr(), &self.constants)
    }

    /// The whole program.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.constants {
            text += &format!("#define {name} {value}\n");
        }
        text + PRELUDE + self.source
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(x) => write!(f, "{x}"),
            Value::Type(name) => f.write_str(name),
        }
    }
}

/// `krylov (N = 64, R = 1)`.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constants: Vec<_> =
            self.constants.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        write!(f, "{} ({})", self.name, constants.join(", "))
    }
}
