//! The messages behind TensorBoard's HPARAMS tab.

use anyhow::{Context, Result};
use protobuf::Message;
use protobuf::well_known_types::Value as ProtoValue;
use tensorboard_proto::api::Status;
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;
use toml::Value;

use super::{plugin, tagged};

/// This session's values.
///
/// The other half of the format, an `Experiment` that lists the columns, is left out on purpose:
/// TensorBoard takes the first one it finds for all runs, and hides settings and metrics that only
/// other runs have. Without one it shows those of all.
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
    nothing.set_dtype(DataType::DT_FLOAT);
    nothing.mut_tensor_shape();
    nothing.mut_float_val().push(0.0);
    let mut summary = tagged(tag);
    summary.set_metadata(plugin("hparams", content));
    summary.set_tensor(nothing);
    Ok(summary)
}
