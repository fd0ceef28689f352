//! The tensors of a safetensors file, each taken once and with the shape that the model has.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;

use anyhow::{Context, Result, bail, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::simd::{Arena, Table};

/// The metadata that only a checkpoint has, not a file of weights alone.
const CHECKPOINT: &str = "checkpoint";

/// The weights of a model: a file of weights alone, or those of a checkpoint that are meant to be
/// used (averaged ones, where there are any).
#[derive(Debug)]
pub(crate) struct Weights<'a> {
    file: SafeTensors<'a>,
    /// What the names begin with in the file.
    prefix: &'static str,
    taken: RefCell<BTreeSet<String>>,
    arena: RefCell<Arena>,
}

impl<'a> Weights<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        const DAMAGED: &str = "it is damaged (cut short?); use another one of the run, or a copy";
        let (_, header) = SafeTensors::read_metadata(bytes).context(DAMAGED)?;
        let file = SafeTensors::deserialize(bytes).context(DAMAGED)?;
        let is_checkpoint =
            header.metadata().as_ref().is_some_and(|strings| strings.contains_key(CHECKPOINT));
        let prefix = if !is_checkpoint {
            ""
        } else if file.names().iter().any(|name| name.starts_with("ema.")) {
            "ema."
        } else {
            "model."
        };
        Ok(Self { file, prefix, taken: RefCell::default(), arena: RefCell::default() })
    }

    /// The place from which all others are found.
    pub fn root(&self) -> Place<'_> {
        Place { weights: self, name: String::new() }
    }

    /// Refuses weights that no part of the model has read: they are another model's.
    pub fn finish(&self) -> Result<()> {
        let taken = self.taken.borrow();
        let mut left: Vec<&str> = (self.file.names().into_iter())
            .filter_map(|name| name.strip_prefix(self.prefix))
            .filter(|&name| !taken.contains(name))
            .collect();
        left.sort_unstable();
        if let Some(first) = left.first() {
            bail!(
                "{} of its tensors are not part of the configured model, the first of them {first}",
                left.len()
            );
        }
        Ok(())
    }
}

/// A place in the name hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    weights: &'a Weights<'a>,
    name: String,
}

impl Place<'_> {
    /// The place `name` below this one.
    pub fn sub(&self, name: impl Display) -> Self {
        let name = match self.name.as_str() {
            "" => name.to_string(),
            above => format!("{above}.{name}"),
        };
        Self { weights: self.weights, name }
    }

    /// Keeps `numbers`, made of tensors of the file, next to those of other tensors.
    pub fn keep<T: Copy>(&self, numbers: &[T]) -> Table<T> {
        self.weights.arena.borrow_mut().keep(numbers)
    }

    /// The tensor `name` of this place, row by row.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        let (found, values) = self.any(name)?;
        ensure!(found == shape, "{} has shape {found:?}, expected {shape:?}", self.sub(name).name);
        Ok(values)
    }

    /// The tensor `weight`; or, with weight normalisation, each `weight_v[i]` scaled to the length
    /// `weight_g[i]`.
    pub fn weight(&self, shape: &[usize], normed: bool) -> Result<Vec<f64>> {
        if !normed {
            return self.tensor("weight", shape);
        }
        let mut weight = self.tensor("weight_v", shape)?;
        let mut of_lengths = vec![1; shape.len()];
        of_lengths[0] = shape[0];
        let lengths = self.tensor("weight_g", &of_lengths)?;
        for (row, length) in weight.chunks_exact_mut(shape[1..].iter().product()).zip(lengths) {
            let scale = length / row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter_mut().for_each(|x| *x *= scale);
        }
        Ok(weight)
    }

    /// The matrix `name` of any number of rows and `columns` columns.
    pub fn rows(&self, name: &str, columns: usize) -> Result<Vec<f64>> {
        let (found, values) = self.any(name)?;
        ensure!(
            found.len() == 2 && found[0] > 0 && found[1] == columns,
            "{} has shape {found:?}, expected [codes, {columns}]",
            self.sub(name).name
        );
        Ok(values)
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.view(name).is_ok()
    }

    /// The shape of the tensor `name`.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.view(name)?.shape().to_vec())
    }

    fn view(&self, name: &str) -> Result<TensorView<'_>> {
        let name = self.sub(name).name;
        (self.weights.file)
            .tensor(&format!("{}{name}", self.weights.prefix))
            .map_err(|_| anyhow::anyhow!("{name} is missing"))
    }

    fn any(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        let view = self.view(name)?;
        let name = self.sub(name).name;
        let bytes = view.data();
        let values = match view.dtype() {
            Dtype::F32 => numbers(bytes, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => numbers(bytes, f64::from_le_bytes),
            Dtype::I64 => numbers(bytes, |b| i64::from_le_bytes(b) as f64),
            other => bail!("{name} is {other:?}; only F32, F64 and I64 are read"),
        };
        let shape = view.shape().to_vec();
        self.weights.taken.borrow_mut().insert(name);
        Ok((shape, values))
    }
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn file(tensors: &[(&str, f32)], metadata: Option<&str>) -> Vec<u8> {
        let bytes: Vec<_> = tensors.iter().map(|(_, value)| value.to_le_bytes()).collect();
        let views = tensors.iter().zip(&bytes).map(|((name, _), bytes)| {
            (*name, TensorView::new(Dtype::F32, vec![1], bytes).unwrap())
        });
        let metadata = metadata.map(|key| HashMap::from([(key.to_owned(), "{}".to_owned())]));
        safetensors::serialize(views, &metadata).unwrap()
    }

    fn value(bytes: &[u8], name: &str) -> Result<f64> {
        Ok(Weights::read(bytes)?.root().tensor(name, &[1])?[0])
    }

    #[test]
    fn averaged_weights_come_first_in_a_checkpoint() {
        let tensors = [("model.w", 1.0), ("ema.w", 2.0), ("optim.w", 3.0)];
        assert_eq!(value(&file(&tensors, Some("checkpoint")), "w").unwrap(), 2.0);
        assert_eq!(value(&file(&tensors[..1], Some("checkpoint")), "w").unwrap(), 1.0);
        // A backbone is called `model` in the weights themselves.
        assert_eq!(value(&file(&tensors[..1], None), "model.w").unwrap(), 1.0);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = file(&[("a.w", 1.0), ("a.v", 1.0)], None);
        let weights = Weights::read(&bytes).unwrap();
        let place = weights.root().sub("a");
        let message = |error: anyhow::Error| error.to_string();
        assert_eq!(message(place.tensor("x", &[1]).unwrap_err()), "a.x is missing");
        let error = message(place.tensor("w", &[2, 1]).unwrap_err());
        assert_eq!(error, "a.w has shape [1], expected [2, 1]");
        assert!(message(weights.finish().unwrap_err()).contains("a.v"));
        place.tensor("v", &[1]).unwrap();
        weights.finish().unwrap();
    }

    #[test]
    fn a_file_cut_anywhere_is_damaged() {
        let bytes = file(&[("w", 1.0)], None);
        for length in [0, 4, 8, 20, bytes.len() - 1] {
            let error = Weights::read(&bytes[..length]).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{error:#}");
        }
    }
}
