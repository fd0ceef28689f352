//! The messages behind TensorBoard's HPARAMS tab.

use anyhow::{Context, Result};
use protobuf::Message;
use protobuf::well_known_types::Value as ProtoValue;
use tensorboard_proto::api::{DataType as HParamType, Experiment, HParamInfo, MetricInfo, Status};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;
use toml::Value;

use super::{plugin, tagged};

/// What the experiment has as columns, and this session's values.
pub(super) fn start<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a Value)>,
    metrics: &[&str],
    time: f64,
) -> Result<[Summary_Value; 2]> {
    let mut experiment = Experiment::new();
    let mut session = SessionStartInfo::new();
    for (name, value) in settings {
        let (kind, value) = convert(value);
        let mut info = HParamInfo::new();
        info.set_name(name.to_owned());
        info.set_field_type(kind);
        experiment.mut_hparam_infos().push(info);
        session.mut_hparams().insert(name.to_owned(), value);
    }
    for metric in metrics {
        let mut info = MetricInfo::new();
        info.mut_name().set_tag((*metric).to_owned());
        experiment.mut_metric_infos().push(info);
    }
    experiment.set_time_created_secs(time);
    session.set_start_time_secs(time);
    let mut columns = HParamsPluginData::new();
    columns.set_experiment(experiment);
    let mut row = HParamsPluginData::new();
    row.set_session_start_info(session);
    Ok([summary("_hparams_/experiment", &columns)?, summary("_hparams_/session_start_info", &row)?])
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

fn convert(value: &Value) -> (HParamType, ProtoValue) {
    let mut proto = ProtoValue::new();
    let kind = match value {
        Value::Boolean(yes) => {
            proto.set_bool_value(*yes);
            HParamType::DATA_TYPE_BOOL
        }
        Value::Integer(number) => {
            proto.set_number_value(*number as f64);
            HParamType::DATA_TYPE_FLOAT64
        }
        Value::Float(number) => {
            proto.set_number_value(*number);
            HParamType::DATA_TYPE_FLOAT64
        }
        Value::String(text) => {
            proto.set_string_value(text.clone());
            HParamType::DATA_TYPE_STRING
        }
        other => {
            proto.set_string_value(other.to_string());
            HParamType::DATA_TYPE_STRING
        }
    };
    (kind, proto)
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
