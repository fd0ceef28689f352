//! Weights that are solved rather than trained, before training begins.

use anyhow::{Context, Result};
use datasets::batch::Batch;
use datasets::shape::Series;
use loader::Dataset;
use program::output::note;
use s4_core::params::ParamStore;

use crate::baseline::ridge::{Ridge, Solved};
use crate::features::{Features, linear};

/// Gives the head the weights that logistic regression finds for the features of the last of the `layers`.
/// Heads of pairs, which are others, are left as they are.
///
/// # Errors
/// Those of `layers`, or if the device fails.
pub(crate) fn head(
    store: &ParamStore,
    classes: i64,
    (train, val): (&dyn Dataset<Batch = Batch>, &dyn Dataset<Batch = Batch>),
    layers: impl Fn(&dyn Dataset<Batch = Batch>) -> Result<Vec<Features>>,
) -> Result<()> {
    let parameter = |name| store.get(&format!("decoder.output_transform.{name}"));
    let (Some(weight), Some(bias)) = (parameter("weight"), parameter("bias")) else {
        return Ok(());
    };
    note("the head begins as logistic regression has it");
    let of = |examples: &dyn Dataset<Batch = Batch>| -> Result<Features> {
        layers(examples)?.into_iter().next_back().context("a network has layers")
    };
    let val = of(val)?;
    let probe = linear::probe(&of(train)?, &val, classes)?;
    note(format_args!("  val: accuracy {:.4}", probe.accuracy(&val)));
    tch::no_grad(|| {
        weight.shallow_clone().f_copy_(&probe.weight)?;
        bias.shallow_clone().f_copy_(&probe.bias)
    })?;
    Ok(())
}

/// Gives the linear map of a forecast the weights of ridge regression.
///
/// # Errors
/// If there is no such map, a window cannot be read, or the user interrupts.
pub(crate) fn forecast(
    store: &ParamStore,
    series: &Series,
    (train, val): (&dyn Dataset<Batch = Batch>, &dyn Dataset<Batch = Batch>),
    progress: bool,
) -> Result<()> {
    let parameter = |name| {
        let tensor = store.get(&format!("forecast.linear.{name}"));
        tensor.context("model.forecast.ridge needs the linear map")
    };
    let Solved { map, penalty } = Ridge::default().solve(series, train, val, progress)?;
    note(format_args!("the linear map is that of ridge regression, penalty {penalty}"));
    let (weight, bias) = (parameter("weight")?, parameter("bias")?);
    let context = map.size()[0] - 1;
    tch::no_grad(|| -> Result<()> {
        weight.shallow_clone().f_copy_(&map.narrow(0, 0, context).tr().f_view_as(weight)?)?;
        bias.shallow_clone().f_copy_(&map.select(0, context))?;
        Ok(())
    })
}
