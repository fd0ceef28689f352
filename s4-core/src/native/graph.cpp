// CUDA graphs: what a piece of work launches, recorded once and launched again as a whole.

#include <dlfcn.h>
#include <memory>

#include <ATen/DeviceAccelerator.h>
#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "guarded.h"

namespace {

// A function of libtorch_cuda.so, which is not linked and may not be loaded.
template <typename Function>
Function* found(const char* name) {
  void* function = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(function != nullptr, "CUDA is not loaded, or its libtorch has no CUDA graphs");
  return reinterpret_cast<Function*>(function);
}

// An at::cuda::CUDAGraph by its functions: its header wants those of CUDA, which need not be here.
class Recording {
 public:
  Recording() { found<void(void*, bool)>("_ZN2at4cuda9CUDAGraphC1Eb")(place, false); }
  Recording(const Recording&) = delete;
  ~Recording() { found<void(void*)>("_ZN2at4cuda9CUDAGraphD1Ev")(place); }

  void begin() {
    // Other threads may upload the next batch meanwhile.
    constexpr int this_thread = 1;
    using MempoolId = std::pair<unsigned long long, unsigned long long>;
    found<void(void*, MempoolId, int)>(
        "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode")(
        place, {0, 0}, this_thread);
  }
  void end() { found<void(void*)>("_ZN2at4cuda9CUDAGraph11capture_endEv")(place); }
  void replay() { found<void(void*)>("_ZN2at4cuda9CUDAGraph6replayEv")(place); }

 private:
  // Far more than it takes.
  alignas(64) unsigned char place[4096];
};

// A recording, and the streams of the thread that makes it: it needs one of its own.
struct Graph {
  explicit Graph(c10::Device device)
      : previous(at::accelerator::getCurrentStream(device.index())),
        own(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {}

  c10::Stream previous;
  c10::Stream own;
  Recording recording;
};

} // namespace

// All: null, or a message made with `malloc`.

// Makes a graph for CUDA device `index`, and its stream the current one of this thread.
extern "C" char* s4_graph_new(int64_t index, Graph** graph) {
  return guarded([&] {
    c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
    auto made = std::make_unique<Graph>(device);
    // Gradients of a recording and of a step that is made one by one are of two streams, on purpose.
    at::globalContext().setWarnOnAccumulateGradStreamMismatch(false);
    at::accelerator::synchronizeDevice(device.index());
    // Memory that is kept for later cannot be given back while work is recorded.
    at::accelerator::emptyCache();
    at::accelerator::setCurrentStream(made->own);
    *graph = made.release();
  });
}

extern "C" char* s4_graph_begin(Graph* graph) {
  return guarded([&] {
    at::accelerator::synchronizeDevice(graph->own.device_index());
    graph->recording.begin();
  });
}

extern "C" char* s4_graph_end(Graph* graph) {
  return guarded([&] { graph->recording.end(); });
}

// Makes the stream current again that was so before.
extern "C" char* s4_graph_leave(Graph* graph) {
  return guarded([&] {
    at::accelerator::setCurrentStream(graph->previous);
    at::accelerator::synchronizeDevice(graph->own.device_index());
  });
}

// Launches all of it on the current stream.
extern "C" char* s4_graph_replay(Graph* graph) {
  return guarded([&] { graph->recording.replay(); });
}

extern "C" char* s4_graph_delete(Graph* graph) {
  return guarded([&] { delete graph; });
}
