//! Named tensors in an order, and their form as safetensors bytes.
//!
//! Names and shapes are the official code's; complex parameters are stored as real tensors with a
//! last dimension (re, im), as it does. Reading and writing files is left to the caller.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

/// Tensors by name, in order of insertion.
#[derive(Debug, Default)]
pub struct StateDict {
    entries: Vec<(String, Tensor)>,
    index: HashMap<String, usize>,
}

impl StateDict {
    /// An empty dict.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `tensor`, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        let name = name.into();
        match self.index.get(&name) {
            Some(&i) => self.entries[i].1 = tensor,
            None => {
                self.index.insert(name.clone(), self.entries.len());
                self.entries.push((name, tensor));
            }
        }
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&i| &self.entries[i].1)
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The same dict with every floating point tensor converted to `kind`; integers are kept.
    pub fn to_kind(&self, kind: Kind) -> Self {
        let convert = |t: &Tensor| {
            if t.is_floating_point() { t.to_kind(kind) } else { t.shallow_clone() }
        };
        self.iter().map(|(name, t)| (name.to_owned(), convert(t))).collect()
    }

    /// The same dict on `device`.
    pub fn to_device(&self, device: Device) -> Self {
        self.iter().map(|(name, t)| (name.to_owned(), t.to_device(device))).collect()
    }

    /// The entries whose names begin with `prefix.`, without it.
    pub fn under(&self, prefix: &str) -> Self {
        let prefix = format!("{prefix}.");
        self.iter()
            .filter_map(|(name, t)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), t.shallow_clone()))
            })
            .collect()
    }

    /// Whether this dict can stand in for `expected`: the same names, shapes and kinds.
    ///
    /// # Errors
    /// Lists what is missing, unexpected or different.
    pub fn check_fits(&self, expected: &Self) -> Result<()> {
        let mut problems = Vec::new();
        for (name, own) in expected.iter() {
            match self.get(name) {
                None => problems.push(format!("{name} is missing")),
                Some(t) if t.size() != own.size() => problems.push(format!(
                    "{name} has shape {:?}, expected {:?}",
                    t.size(),
                    own.size()
                )),
                Some(t) if t.kind() != own.kind() => {
                    problems.push(format!("{name} is {:?}, expected {:?}", t.kind(), own.kind()));
                }
                Some(_) => {}
            }
        }
        for name in self.names().filter(|name| expected.get(name).is_none()) {
            problems.push(format!("{name} is not part of this model"));
        }
        if problems.is_empty() {
            return Ok(());
        }
        const SHOWN: usize = 8;
        let more = match problems.len().saturating_sub(SHOWN) {
            0 => String::new(),
            rest => format!("\n  and {rest} more"),
        };
        problems.truncate(SHOWN);
        bail!("it does not fit the model:\n  {}{more}", problems.join("\n  "))
    }

    /// The dict as the bytes of a safetensors file, with string `metadata`.
    ///
    /// # Errors
    /// If a tensor is of a kind that safetensors or this project does not use.
    pub fn to_safetensors(&self, metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
        let mut raw = Vec::with_capacity(self.entries.len());
        for (name, tensor) in self.iter() {
            let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
            let dtype = dtype_of(tensor.kind()).with_context(|| format!("tensor {name}"))?;
            let mut bytes = vec![0u8; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
            let shape: Vec<usize> = tensor.size().iter().map(|&d| d as usize).collect();
            raw.push((name, dtype, shape, bytes));
        }
        let views = raw
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name.to_string(), TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Ok(safetensors::serialize(views, &Some(metadata))?)
    }

    /// Reads the bytes of a safetensors file; tensors arrive on the CPU, sorted by name.
    ///
    /// # Errors
    /// If the bytes are damaged or hold a kind that this project does not use.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).context(
            "not a safetensors file, or a damaged one (its header does not fit its size)",
        )?;
        let mut names: Vec<&str> = file.names().into_iter().map(String::as_str).collect();
        names.sort_unstable();
        let mut dict = Self::new();
        for name in names {
            let view = file.tensor(name)?;
            let kind = kind_of(view.dtype()).with_context(|| format!("tensor {name}"))?;
            let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            dict.insert(name, Tensor::f_from_data_size(view.data(), &shape, kind)?);
        }
        Ok(dict)
    }
}

impl FromIterator<(String, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(entries: I) -> Self {
        let mut dict = Self::new();
        for (name, tensor) in entries {
            dict.insert(name, tensor);
        }
        dict
    }
}

fn dtype_of(kind: Kind) -> Result<Dtype> {
    Ok(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Half => Dtype::F16,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Uint8 => Dtype::U8,
        Kind::Bool => Dtype::BOOL,
        other => bail!("{other:?} tensors are not saved; store complex ones as (re, im) pairs"),
    })
}

fn kind_of(dtype: Dtype) -> Result<Kind> {
    Ok(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F16 => Kind::Half,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        other => bail!("{other:?} tensors are not supported"),
    })
}
