//! The layout of TensorBoard's CUSTOM SCALARS tab: which curves share a chart.

use anyhow::{Context, Result};
use protobuf::Message;
use tensorboard_proto::layout::{Category, Chart, Layout, MultilineChartContent};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;

use super::{plugin, tagged};

/// Charts under a heading: (title, regular expression of the tags).
pub(crate) type Heading<'a> = (&'a str, Vec<(String, String)>);

pub(super) fn layout(headings: &[Heading]) -> Result<Summary_Value> {
    let mut layout = Layout::new();
    for (title, charts) in headings {
        let mut category = Category::new();
        category.set_title((*title).to_owned());
        for (title, tags) in charts {
            let mut lines = MultilineChartContent::new();
            lines.mut_tag().push(tags.clone());
            let mut chart = Chart::new();
            chart.set_title(title.clone());
            chart.set_multiline(lines);
            category.mut_chart().push(chart);
        }
        layout.mut_category().push(category);
    }
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.mut_tensor_shape();
    tensor.mut_string_val().push(layout.write_to_bytes().context("cannot encode the charts")?);
    let mut summary = tagged("custom_scalars__config__");
    summary.set_metadata(plugin("custom_scalars", Vec::new()));
    summary.set_tensor(tensor);
    Ok(summary)
}
