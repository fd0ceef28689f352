//! Sums of losses and metrics that stay on the device until they are read.

use anyhow::{Context, Result, bail};
use distributed::World;
use s4_core::state_dict::StateDict;
use tch::{Device, Kind, Tensor};

use crate::objective::StepOutput;

const LOSS: &str = "loss";
const SAMPLES: &str = "samples";

/// Running sums in double precision.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    samples: i64,
    sums: Vec<(String, Tensor)>,
}

/// Averages over samples, on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Means {
    pub(crate) samples: i64,
    pub(crate) loss: f64,
    pub(crate) metrics: Vec<(String, f64)>,
}

impl Meters {
    /// Adds one batch. The host does not wait for the device.
    pub(crate) fn add(&mut self, output: &StepOutput) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let loss = output.loss.detach().f_to_kind(Kind::Double)?;
        self.add_to(LOSS, &loss.f_mul_scalar(output.samples)?)?;
        for (name, sum) in &output.metrics {
            if *name == LOSS || *name == SAMPLES {
                bail!("a metric is called {name}, which means something else here");
            }
            self.add_to(name, sum)?;
        }
        self.samples += output.samples;
        Ok(())
    }

    fn add_to(&mut self, name: &str, value: &Tensor) -> Result<()> {
        // A copy: the caller may write to its tensor again.
        let value = value.detach().f_to_dtype(Kind::Double, false, true)?;
        if value.numel() != 1 {
            bail!("{name} has shape {:?}, expected a scalar", value.size());
        }
        let value = value.f_reshape([] as [i64; 0])?;
        match self.sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.f_add(&value)?,
            None => self.sums.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Gives the first of several processes the sums of all, and the others none.
    pub(crate) fn collect(&mut self, world: &World) -> Result<()> {
        if world.is_alone() {
            return Ok(());
        }
        self.add_up(world)?;
        if !world.is_first() {
            *self = Self::default();
        }
        Ok(())
    }

    /// Gives each of several processes the sums of all.
    fn add_up(&mut self, world: &World) -> Result<()> {
        // All in one order: another one may have no sums yet, or have them in another order.
        let names = world.from_first(|| {
            let names: Vec<&str> = self.sums.iter().map(|(name, _)| name.as_str()).collect();
            Ok(names.join("\n").into_bytes())
        })?;
        let names = String::from_utf8(names)?;
        let [any] = world.any([self.samples > 0])?;
        if !any {
            return Ok(());
        }
        self.samples = world.sums(&[self.samples])?[0];
        let own = |name: &str| {
            let found = self.sums.iter().find(|(known, _)| known == name);
            found.map_or_else(|| Tensor::from(0.0), |(_, sum)| sum.to_device(Device::Cpu))
        };
        let all = Tensor::f_stack(&names.lines().map(own).collect::<Vec<_>>(), 0)?;
        world.sum(&all)?;
        let device = self.sums.first().map_or(Device::Cpu, |(_, sum)| sum.device());
        let sums = names.lines().zip(0..);
        self.sums =
            sums.map(|(name, place)| (name.to_owned(), all.get(place).to_device(device))).collect();
        Ok(())
    }

    /// The averages, of all processes, and all sums back to nothing. Waits for the device.
    pub(crate) fn take(&mut self, world: &World) -> Result<Option<Means>> {
        if !world.is_alone() {
            self.add_up(world)?;
        }
        let Self { samples, sums } = std::mem::take(self);
        if samples == 0 {
            return Ok(None);
        }
        let tensors: Vec<&Tensor> = sums.iter().map(|(_, sum)| sum).collect();
        // One transfer for all.
        let stacked = Tensor::f_stack(&tensors, 0)?.f_to_device(Device::Cpu)?;
        let values: Vec<f64> = Vec::try_from(stacked)?;
        let mut means =
            sums.into_iter().zip(values).map(|((name, _), value)| (name, value / samples as f64));
        let (_, loss) = means.next().context("there are samples but no loss")?;
        Ok(Some(Means { samples, loss, metrics: means.collect() }))
    }

    /// The sums, to be saved with a checkpoint.
    pub(crate) fn state_dict(&self) -> StateDict {
        let sums = self.sums.iter().map(|(name, sum)| (name.clone(), sum.shallow_clone()));
        sums.chain([(SAMPLES.to_owned(), Tensor::from(self.samples))]).collect()
    }

    /// The sums of [`Self::state_dict`], on `device`.
    pub(crate) fn from_state_dict(dict: &StateDict, device: Device) -> Result<Self> {
        let mut meters = Self::default();
        // The loss comes first, whatever the order in the file.
        let (loss, rest): (Vec<_>, Vec<_>) = dict.iter().partition(|(name, _)| *name == LOSS);
        for (name, tensor) in loss.into_iter().chain(rest) {
            if name == SAMPLES {
                meters.samples = i64::try_from(tensor)?;
            } else {
                meters.sums.push((name.to_owned(), tensor.f_to_device(device)?));
            }
        }
        Ok(meters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(loss: f64, correct: i64, samples: i64) -> StepOutput {
        StepOutput {
            loss: Tensor::from(loss as f32),
            metrics: vec![("accuracy", Tensor::from(correct))],
            samples,
            outputs: None,
        }
    }

    #[test]
    fn means_are_over_samples_and_not_over_batches() {
        let mut meters = Meters::default();
        meters.add(&batch(1.0, 30, 30)).unwrap();
        meters.add(&batch(4.0, 0, 10)).unwrap();
        let means = meters.take(&World::alone()).unwrap().unwrap();
        assert_eq!(means.samples, 40);
        assert_eq!(means.loss, 1.75);
        assert_eq!(means.metrics, [("accuracy".to_owned(), 0.75)]);
        assert_eq!(meters.take(&World::alone()).unwrap(), None);
    }

    #[test]
    fn saved_sums_go_on_exactly() {
        let (mut whole, mut first) = (Meters::default(), Meters::default());
        for meters in [&mut whole, &mut first] {
            meters.add(&batch(0.1, 1, 3)).unwrap();
        }
        let mut second = Meters::from_state_dict(&first.state_dict(), Device::Cpu).unwrap();
        for meters in [&mut whole, &mut second] {
            meters.add(&batch(0.7, 2, 3)).unwrap();
        }
        assert_eq!(whole.take(&World::alone()).unwrap(), second.take(&World::alone()).unwrap());
        let empty = Meters::default().state_dict();
        assert_eq!(
            Meters::from_state_dict(&empty, Device::Cpu).unwrap().take(&World::alone()).unwrap(),
            None
        );
    }

    #[test]
    fn a_batch_of_losses_is_refused() {
        let output = StepOutput {
            loss: Tensor::from_slice(&[1.0f32, 2.0]),
            metrics: Vec::new(),
            samples: 2,
            outputs: None,
        };
        let message = Meters::default().add(&output).unwrap_err().to_string();
        assert!(message.contains("loss has shape [2]"), "{message}");
    }
}
