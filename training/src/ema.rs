//! An exponential moving average of the weights (Polyak & Juditsky 1992), which as a rule
//! generalises better than the weights of any one step.
//!
//! Training goes on with the weights themselves and does not see the average. Buffers are not
//! averaged: those of the model stand beside either.

use anyhow::{Context, Result};
use s4_core::params::ParamStore;
use s4_core::state_dict::StateDict;
use tch::Tensor;

use crate::adapt::LowRank;

/// The average of one model's parameters, without those that are frozen.
#[derive(Debug)]
pub(crate) struct Ema {
    decay: f64,
    names: Vec<String>,
    /// Share storage with the model.
    weights: Vec<Tensor>,
    /// The averages of all parameters, one after another: a step takes one copy and one update,
    /// where an average per tensor takes a launch for each.
    average: Tensor,
}

impl Ema {
    /// An average that starts from the current weights of `store`; `decay` is in (0, 1).
    pub(crate) fn new(store: &ParamStore, decay: f64) -> Result<Self> {
        let trained = store.parameters().filter(|(_, tensor, _)| tensor.requires_grad());
        let (names, weights): (Vec<_>, Vec<_>) =
            trained.map(|(name, tensor, _)| (name.to_owned(), tensor.detach())).unzip();
        let average = flat(&weights)?;
        Ok(Self { decay, names, weights, average })
    }

    /// Starts again from the current weights.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.average = flat(&self.weights)?;
        Ok(())
    }

    /// Takes in the weights after optimiser step `step`, counted from 1:
    /// average <- d average + (1 - d) weights with d = min(decay, (1 + step) / (10 + step)), so
    /// that the initial weights are soon forgotten. The host does not wait for the device.
    pub(crate) fn update(&mut self, step: u64) -> Result<()> {
        let step = step as f64;
        let decay = self.decay.min((1.0 + step) / (10.0 + step));
        let _ = self.average.f_lerp_(&flat(&self.weights)?, 1.0 - decay)?;
        Ok(())
    }

    /// The complete model `store` with averaged weights. They share storage with the average.
    pub(crate) fn state_dict(&self, store: &ParamStore) -> Result<StateDict> {
        let mut dict = store.state_dict();
        for (name, average) in self.names.iter().zip(self.averages()?) {
            dict.insert(name.clone(), average);
        }
        Ok(dict)
    }

    /// Goes on from what [`Self::state_dict`] returned for the same model.
    pub(crate) fn load_state_dict(&mut self, dict: &StateDict, store: &ParamStore) -> Result<()> {
        dict.check_fits(&store.state_dict()).context("the averaged weights")?;
        for (name, mut average) in self.names.iter().zip(self.averages()?) {
            average.f_copy_(dict.get(name).context("checked above")?)?;
        }
        Ok(())
    }

    /// Gives the model the averaged weights until the guard is dropped, whatever happens in between, and with
    /// them those of the changes `low_rank`.
    pub(crate) fn swap_in(&self, low_rank: LowRank) -> Result<SwappedIn> {
        let trained = flat(&self.weights)?;
        let guard = SwappedIn {
            weights: self.weights.iter().map(Tensor::shallow_clone).collect(),
            trained,
            low_rank,
        };
        self.copy_to_model()?;
        guard.low_rank.fold()?;
        Ok(guard)
    }

    /// Gives the model the averaged weights for good.
    pub(crate) fn copy_to_model(&self) -> Result<()> {
        copy(&self.average, &self.weights)
    }

    /// The average of each parameter; they share storage with it.
    fn averages(&self) -> Result<Vec<Tensor>> {
        Ok(Tensor::f_unflatten_dense_tensors(&self.average, &self.weights)?)
    }
}

/// While it lives, the model has the averaged weights.
#[derive(Debug)]
#[must_use]
pub(crate) struct SwappedIn {
    weights: Vec<Tensor>,
    /// What was trained, one parameter after another.
    trained: Tensor,
    low_rank: LowRank,
}

impl Drop for SwappedIn {
    fn drop(&mut self) {
        // It cannot fail unless the device is lost, and then all that follows fails too.
        let _ = copy(&self.trained, &self.weights).and_then(|()| self.low_rank.fold());
    }
}

/// A copy of the values of `weights`, one tensor after another.
fn flat(weights: &[Tensor]) -> Result<Tensor> {
    let rows =
        weights.iter().map(|weight| weight.f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::f_cat(&rows, 0)?)
}

/// Copies the values of `flat` into `weights`, one tensor after another.
fn copy(flat: &Tensor, weights: &[Tensor]) -> Result<()> {
    // The model's own tensors require gradients; `weights` are detached from them.
    for (weight, value) in weights.iter().zip(Tensor::f_unflatten_dense_tensors(flat, weights)?) {
        weight.shallow_clone().f_copy_(&value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use s4_core::params::Hyper;
    use tch::{Device, Kind};

    use super::*;

    fn store() -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu, Kind::Double);
        let mut root = store.root();
        let matrix = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]);
        let _ = root.parameter("matrix", &matrix, Hyper::GLOBAL).unwrap();
        let _ = root.buffer("mean", &Tensor::from_slice(&[1.0])).unwrap();
        let _ = root.buffer("count", &Tensor::from(0i64)).unwrap();
        let _ = root.parameter("bias", &Tensor::from_slice(&[-1.0]), Hyper::NO_DECAY).unwrap();
        store
    }

    /// Sets every tensor of `store` to `value`.
    fn set(store: &ParamStore, value: f64) {
        for entry in store.entries() {
            let _ = entry.tensor.detach().fill_(value);
        }
    }

    fn values(dict: &StateDict, name: &str) -> Vec<f64> {
        let tensor = dict.get(name).unwrap().to_kind(Kind::Double).reshape([-1]);
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn the_average_is_the_one_computed_by_hand() {
        let store = store();
        let mut ema = Ema::new(&store, 0.5).unwrap();
        let mut by_hand = [1.0, 2.0, 3.0, 4.0, -1.0];
        // The warm-up rules in steps 1 to 7 ((1 + 8) / (10 + 8) = 0.5), then the decay itself.
        let decays =
            [2.0 / 11.0, 3.0 / 12.0, 4.0 / 13.0, 5.0 / 14.0, 0.4, 7.0 / 16.0, 8.0 / 17.0, 0.5, 0.5];
        for (step, decay) in (1..).zip(decays) {
            let weight = f64::from(step).sin();
            set(&store, weight);
            ema.update(step as u64).unwrap();
            for average in &mut by_hand {
                *average = decay * *average + (1.0 - decay) * weight;
            }
        }
        let dict = ema.state_dict(&store).unwrap();
        let averaged = [values(&dict, "matrix"), values(&dict, "bias")].concat();
        for (found, expected) in averaged.iter().zip(by_hand) {
            assert!((found - expected).abs() < 1e-14, "{averaged:?} and not {by_hand:?}");
        }
        assert_eq!(values(&dict, "mean"), [9.0f64.sin()], "buffers are the model's");
        assert_eq!(dict.get("matrix").unwrap().size(), [2, 2]);
        assert!(dict.get("count").unwrap().kind() == Kind::Int64);
    }

    #[test]
    fn the_weights_come_back_after_an_error_and_after_a_panic() {
        let store = store();
        let mut ema = Ema::new(&store, 0.9).unwrap();
        set(&store, 7.0);
        ema.update(1).unwrap();
        let average = values(&ema.state_dict(&store).unwrap(), "matrix");
        let evaluate = |panics: bool| -> Result<()> {
            let _averaged = ema.swap_in(LowRank::default())?;
            assert_eq!(values(&store.state_dict(), "matrix"), average);
            assert!(!panics, "as models do");
            anyhow::bail!("as models do")
        };
        for panics in [false, true] {
            program::panics::as_errors("the model", || evaluate(panics)).unwrap_err();
            assert_eq!(values(&store.state_dict(), "matrix"), [7.0; 4]);
            assert_eq!(values(&ema.state_dict(&store).unwrap(), "matrix"), average);
        }
        assert!(store.get("matrix").unwrap().requires_grad());
        ema.copy_to_model().unwrap();
        assert_eq!(values(&store.state_dict(), "matrix"), average);
    }

    #[test]
    fn a_saved_average_goes_on_and_a_new_one_starts_from_the_weights() {
        let store = store();
        let mut first = Ema::new(&store, 0.9).unwrap();
        set(&store, 7.0);
        first.update(1).unwrap();
        let saved = first.state_dict(&store).unwrap();
        let mut second = Ema::new(&store, 0.9).unwrap();
        assert_eq!(values(&second.state_dict(&store).unwrap(), "bias"), [7.0]);
        second.load_state_dict(&saved, &store).unwrap();
        set(&store, 8.0);
        for ema in [&mut first, &mut second] {
            ema.update(2).unwrap();
        }
        let bias = |ema: &Ema| values(&ema.state_dict(&store).unwrap(), "bias");
        assert_eq!(bias(&first), bias(&second));
        second.restart().unwrap();
        assert_eq!(bias(&second), [8.0]);
        let message =
            format!("{:#}", second.load_state_dict(&StateDict::new(), &store).unwrap_err());
        assert!(message.contains("averaged weights") && message.contains("matrix"), "{message}");
    }
}
