// Process groups of c10d: collective operations over all ranks.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "guarded.h"
#include "pointers.h"

// With the headers of gloo/ beside this file the class must be as large as libtorch's own code, which
// frees it, takes it to be.
static_assert(sizeof(c10d::ProcessGroupGloo) == 488, "another libtorch: compare ProcessGroupGloo");

// All: null, or a message made with `malloc`.

// A group of Gloo's, for tensors on CPUs. It listens at the network interface or, where there is none,
// at the address `host`.
extern "C" char* s4_group_gloo(
    StorePointer* store, int rank, int size, const char* host, const char* interface,
    int64_t timeout, GroupPointer** group) {
  return guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout));
    options->devices.push_back(
        interface != nullptr ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                             : c10d::ProcessGroupGloo::createDeviceForHostname(host));
    *group = new GroupPointer(
        c10::make_intrusive<c10d::ProcessGroupGloo>(*store, rank, size, options));
  });
}

extern "C" char* s4_group_all_reduce(
    GroupPointer* group, const at::Tensor* tensor, WorkPointer** work) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    *work = new WorkPointer((*group)->allreduce(tensors));
  });
}

extern "C" char* s4_group_broadcast(
    GroupPointer* group, const at::Tensor* tensor, int64_t from, WorkPointer** work) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    *work = new WorkPointer((*group)->broadcast(tensors, options));
  });
}

// `tensor` of every rank into `all`, which has a first dimension for the ranks.
extern "C" char* s4_group_all_gather(
    GroupPointer* group, const at::Tensor* tensor, const at::Tensor* all, WorkPointer** work) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    std::vector<std::vector<at::Tensor>> places{all->unbind(0)};
    *work = new WorkPointer((*group)->allgather(places, tensors));
  });
}

extern "C" char* s4_group_barrier(GroupPointer* group, WorkPointer** work) {
  return guarded([&] { *work = new WorkPointer((*group)->barrier()); });
}

// Waits for what was begun, and frees `work` in any case. On a GPU it is the stream that waits.
extern "C" char* s4_work_wait(WorkPointer* work) {
  std::unique_ptr<WorkPointer> owned(work);
  return guarded([&] { (*owned)->wait(); });
}

extern "C" void s4_group_delete(GroupPointer* group) { delete group; }
