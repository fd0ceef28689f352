//! What a run's event files hold.
#![allow(dead_code)] // each test binary uses its part

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protobuf::Message;
use tensorboard_proto::event::Event;
use tensorboard_proto::layout::Layout;
use tensorboard_proto::plugin_hparams::HParamsPluginData;
use tensorboard_proto::summary::{Summary_Audio, Summary_Image, Summary_Value};

/// The summaries of a run: (step, summary), in the order in which they were written.
pub struct Events(Vec<(i64, Summary_Value)>);

impl Events {
    /// Those of the run in this folder.
    #[track_caller]
    pub fn read(run: &Path) -> Self {
        let paths = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
        let is_events = |path: &_| Path::to_string_lossy(path).contains("tfevents");
        let mut paths: Vec<_> = paths.filter(|path| is_events(path)).collect();
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            let bytes = fs::read(path).unwrap();
            let mut rest = &bytes[..];
            // A record: its length, a checksum of that, itself, its checksum.
            while let Some((length, tail)) = rest.split_first_chunk::<8>() {
                let length = u64::from_le_bytes(*length) as usize;
                let mut event = Event::parse_from_bytes(&tail[4..][..length]).unwrap();
                let step = event.step;
                all.extend(event.mut_summary().take_value().into_iter().map(|value| (step, value)));
                rest = &tail[4 + length + 4..];
            }
        }
        Self(all)
    }

    /// The tags that begin like this.
    pub fn tags(&self, beginning: &str) -> Vec<&str> {
        let tags = self.0.iter().map(|(_, value)| value.get_tag());
        tags.filter(|tag| tag.starts_with(beginning)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A curve: (step, value).
    pub fn scalars(&self, tag: &str) -> Vec<(i64, f32)> {
        self.of(tag).map(|(step, value)| (step, value.get_simple_value())).collect()
    }

    /// The steps at which something has this tag.
    pub fn steps(&self, tag: &str) -> Vec<i64> {
        self.of(tag).map(|(step, _)| step).collect()
    }

    /// The pictures of a tag.
    pub fn pictures(&self, tag: &str) -> Vec<&Summary_Image> {
        self.of(tag).map(|(_, value)| value.get_image()).collect()
    }

    /// The sounds of a tag.
    pub fn sounds(&self, tag: &str) -> Vec<&Summary_Audio> {
        self.of(tag).map(|(_, value)| value.get_audio()).collect()
    }

    /// The texts of a tag.
    pub fn texts(&self, tag: &str) -> Vec<String> {
        let bytes = self.of(tag).map(|(_, value)| value.get_tensor().get_string_val()[0].clone());
        bytes.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    /// The charts with several curves: (title, regular expression of the tags).
    pub fn charts(&self) -> Vec<(String, String)> {
        let (_, value) = self.of("custom_scalars__config__").next().unwrap();
        let plugin = value.get_metadata().get_plugin_data().get_plugin_name();
        assert_eq!(plugin, "custom_scalars");
        let layout = Layout::parse_from_bytes(&value.get_tensor().get_string_val()[0]).unwrap();
        let charts = layout.get_category().iter().flat_map(|category| category.get_chart());
        let of = |chart: &tensorboard_proto::layout::Chart| {
            (chart.get_title().to_owned(), chart.get_multiline().get_tag()[0].clone())
        };
        charts.map(of).collect()
    }

    /// What of hyper-parameters a tag below `_hparams_/` says.
    pub fn hparams(&self, tag: &str) -> HParamsPluginData {
        let (_, value) = self.of(&format!("_hparams_/{tag}")).next().unwrap();
        let content = value.get_metadata().get_plugin_data().get_content();
        HParamsPluginData::parse_from_bytes(content).unwrap()
    }

    fn of<'a>(&'a self, tag: &str) -> impl Iterator<Item = (i64, &'a Summary_Value)> {
        let found = self.0.iter().filter(move |(_, value)| value.get_tag() == tag);
        found.map(|(step, value)| (*step, value))
    }
}
