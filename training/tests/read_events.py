"""Prints as JSON what TensorBoard itself finds in the log folder sys.argv[1]: the curves of the run
sys.argv[2] in it, and the HPARAMS tab over all runs."""

import json
import os
import sys

from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.plugins.text.metadata import PLUGIN_NAME as TEXT

folder, run = sys.argv[1:]

accumulator = EventAccumulator(os.path.join(folder, run), size_guidance={"scalars": 0, "histograms": 0, "images": 0})
accumulator.Reload()
tags = accumulator.Tags()
found = {
    "scalars": {
        tag: [[event.step, event.value] for event in accumulator.Scalars(tag)]
        for tag in tags["scalars"]
    },
    "images": {
        tag: [[e.step, e.width, e.height, e.encoded_image_string[:8].hex()]
              for e in accumulator.Images(tag)]
        for tag in tags["images"]
    },
    "histograms": {
        tag: [[e.step, h.min, h.max, h.num, h.sum, list(h.bucket_limit), list(h.bucket)]
              for e in accumulator.Histograms(tag) for h in [e.histogram_value]]
        for tag in tags["distributions"]
    },
    "audio": {
        tag: [[e.step, e.sample_rate, e.length_frames, e.content_type,
               e.encoded_audio_string[:4].decode()] for e in accumulator.Audio(tag)]
        for tag in tags["audio"]
    },
    "texts": {
        tag: [event.tensor_proto.string_val[0].decode() for event in accumulator.Tensors(tag)]
        for tag in tags["tensors"]
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == TEXT
    },
}

# The HPARAMS tab: what its own backend would send to the browser.
multiplexer = plugin_event_multiplexer.EventMultiplexer()
multiplexer.AddRunsFromDirectory(folder)
multiplexer.Reload()
provider = data_provider.MultiplexerDataProvider(multiplexer, folder)
context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
experiment = context.experiment_from_metadata(
    RequestContext(), "", True,
    context.hparams_metadata(RequestContext(), ""),
    [],
)
request = api_pb2.ListSessionGroupsRequest(
    allowed_statuses=[
        api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS,
        api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING,
    ],
    col_params=[
        api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos
    ] + [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos],
    start_index=0, slice_size=10,
)
response = list_session_groups.Handler(
    RequestContext(), context, "", request
).run()


def plain(value):
    return getattr(value, value.WhichOneof("kind"))


found["columns"] = sorted(info.name for info in experiment.hparam_infos)
found["results"] = sorted(info.name.tag for info in experiment.metric_infos)
found["sessions"] = [
    {
        "hparams": {name: plain(value) for name, value in group.hparams.items()},
        "metrics": {value.name.tag: value.value for value in group.metric_values},
        "status": [api_pb2.Status.Name(session.status) for session in group.sessions],
    }
    for group in response.session_groups
]
json.dump(found, sys.stdout)
