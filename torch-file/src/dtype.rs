//! Kinds of numbers, and the storage classes that hold them.

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// float32.
    F32,
    /// float64.
    F64,
    /// float16.
    F16,
    /// bfloat16.
    BF16,
    /// int64.
    I64,
    /// int32.
    I32,
    /// int16.
    I16,
    /// int8.
    I8,
    /// uint8.
    U8,
    /// bool, a byte each.
    Bool,
    /// complex64: two float32.
    C64,
    /// complex128: two float64.
    C128,
}

/// Storage classes of PyTorch, with what they hold and the bytes of an element.
const STORAGES: [(&str, Dtype, usize); 12] = [
    ("FloatStorage", Dtype::F32, 4),
    ("DoubleStorage", Dtype::F64, 8),
    ("HalfStorage", Dtype::F16, 2),
    ("BFloat16Storage", Dtype::BF16, 2),
    ("LongStorage", Dtype::I64, 8),
    ("IntStorage", Dtype::I32, 4),
    ("ShortStorage", Dtype::I16, 2),
    ("CharStorage", Dtype::I8, 1),
    ("ByteStorage", Dtype::U8, 1),
    ("BoolStorage", Dtype::Bool, 1),
    ("ComplexFloatStorage", Dtype::C64, 8),
    ("ComplexDoubleStorage", Dtype::C128, 16),
];

impl Dtype {
    /// The one that a storage class of this name holds.
    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        STORAGES.iter().find(|(name, ..)| *name == class).map(|&(_, dtype, _)| dtype)
    }

    /// The storage class that holds it.
    pub(crate) fn storage(self) -> &'static str {
        self.row().0
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        self.row().2
    }

    fn row(self) -> &'static (&'static str, Dtype, usize) {
        STORAGES.iter().find(|(_, dtype, _)| *dtype == self).expect("every kind has a storage")
    }
}
