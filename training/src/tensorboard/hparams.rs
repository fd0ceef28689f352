//! The messages behind TensorBoard's HPARAMS tab.

use anyhow::{Context, Result};
use protobuf::Message;
use protobuf::well_known_types::Value as ProtoValue;
use tensorboard_proto::api::{DataType, Experiment, HParamInfo, MetricInfo, Status};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types;
use toml::Value;

use super::{plugin, tagged};

/// A setting that is a column.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Its key.
    pub name: &'a str,
    /// What it is in this run, which tells its type; `None` where the run does not have it.
    pub value: Option<&'a Value>,
    /// Whether it comes before the others. TensorBoard shows the first five until it is asked for more.
    pub first: bool,
}

/// `HParamInfo.differs`, which is younger than the bindings: TensorBoard sorts by it, then by name.
const DIFFERS: u32 = 7;

/// Which settings and scalars are columns.
pub(super) fn columns<'a>(
    settings: impl IntoIterator<Item = Column<'a>>,
    results: impl IntoIterator<Item = &'a str>,
) -> Result<Summary_Value> {
    let mut experiment = Experiment::new();
    for Column { name, value, first } in settings {
        let mut info = HParamInfo::new();
        info.set_name(name.to_owned());
        info.set_field_type(match value {
            None => DataType::DATA_TYPE_UNSET,
            Some(Value::Boolean(_)) => DataType::DATA_TYPE_BOOL,
            Some(Value::Integer(_) | Value::Float(_)) => DataType::DATA_TYPE_FLOAT64,
            Some(_) => DataType::DATA_TYPE_STRING,
        });
        if first {
            info.mut_unknown_fields().add_varint(DIFFERS, 1);
        }
        experiment.mut_hparam_infos().push(info);
    }
    for tag in results {
        let mut info = MetricInfo::new();
        info.mut_name().set_tag(tag.to_owned());
        experiment.mut_metric_infos().push(info);
    }
    let mut data = HParamsPluginData::new();
    data.set_experiment(experiment);
    summary("_hparams_/experiment", &data)
}

/// This session's values.
pub(super) fn start<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a Value)>,
    time: f64,
) -> Result<Summary_Value> {
    let mut session = SessionStartInfo::new();
    for (name, value) in settings {
        session.mut_hparams().insert(name.to_owned(), convert(value));
    }
    session.set_start_time_secs(time);
    let mut row = HParamsPluginData::new();
    row.set_session_start_info(session);
    summary("_hparams_/session_start_info", &row)
}

/// The session came to its end.
pub(super) fn end(time: f64) -> Result<Summary_Value> {
    let mut end = SessionEndInfo::new();
    end.set_status(Status::STATUS_SUCCESS);
    end.set_end_time_secs(time);
    let mut data = HParamsPluginData::new();
    data.set_session_end_info(end);
    summary("_hparams_/session_end_info", &data)
}

fn convert(value: &Value) -> ProtoValue {
    let mut proto = ProtoValue::new();
    match value {
        Value::Boolean(yes) => proto.set_bool_value(*yes),
        Value::Integer(number) => proto.set_number_value(*number as f64),
        Value::Float(number) => proto.set_number_value(*number),
        Value::String(text) => proto.set_string_value(text.clone()),
        other => proto.set_string_value(other.to_string()),
    }
    proto
}

/// The plugin looks at the metadata alone, but a summary without a value is dropped on the way.
fn summary(tag: &str, data: &HParamsPluginData) -> Result<Summary_Value> {
    let content = data.write_to_bytes().context("cannot encode hyperparameters")?;
    let mut nothing = TensorProto::new();
    nothing.set_dtype(types::DataType::DT_FLOAT);
    nothing.mut_tensor_shape();
    nothing.mut_float_val().push(0.0);
    let mut summary = tagged(tag);
    summary.set_metadata(plugin("hparams", content));
    summary.set_tensor(nothing);
    Ok(summary)
}
