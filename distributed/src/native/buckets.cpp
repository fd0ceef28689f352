// Gradients that are summed over all ranks in buckets, while the backward pass goes on. The idea is that
// of PyTorch's DistributedDataParallel (Li et al. 2020). Its Reducer is not used: it divides by the number
// of ranks, and takes one backward pass per step for granted.

#include <memory>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "guarded.h"
#include "pointers.h"

namespace {

using torch::autograd::variable_list;

struct Bucket {
  at::Tensor flat;
  // Of each parameter in it, its part of `flat`.
  std::vector<at::Tensor> views;
  size_t filled = 0;
  WorkPointer work;
};

struct State {
  GroupPointer group;
  std::vector<at::Tensor> params;
  // Bucket of each parameter, and its place there.
  std::vector<std::pair<size_t, size_t>> places;
  std::vector<bool> has_come;
  std::vector<Bucket> buckets;
  // Buckets are begun in their order, the same on all ranks.
  size_t begun = 0;
  bool is_armed = false;
  // A gradient came twice: there was more than one backward pass.
  bool is_spoiled = false;

  void begin() {
    has_come.assign(params.size(), false);
    for (auto& bucket : buckets) {
      bucket.filled = 0;
    }
    begun = 0;
    is_spoiled = false;
    is_armed = true;
  }

  void come(size_t number) {
    if (!is_armed || is_spoiled) {
      return;
    }
    if (has_come[number]) {
      is_spoiled = true;
      return;
    }
    fill(number);
    while (begun < buckets.size() && buckets[begun].filled == buckets[begun].views.size()) {
      start();
    }
  }

  void fill(size_t number) {
    at::NoGradGuard guard;
    has_come[number] = true;
    auto [bucket, place] = places[number];
    const auto& gradient = params[number].grad();
    auto& view = buckets[bucket].views[place];
    if (gradient.defined()) {
      view.copy_(gradient);
    } else {
      view.zero_();
    }
    ++buckets[bucket].filled;
  }

  void start() {
    auto& bucket = buckets[begun++];
    std::vector<at::Tensor> tensors{bucket.flat};
    bucket.work = group->allreduce(tensors);
  }

  void finish() {
    is_armed = false;
    for (size_t number = 0; number < params.size(); ++number) {
      if (!has_come[number]) {
        fill(number);
      }
    }
    while (begun < buckets.size()) {
      start();
    }
    for (auto& bucket : buckets) {
      bucket.work->wait();
      bucket.work.reset();
    }
  }
};

struct Buckets {
  std::shared_ptr<State> state = std::make_shared<State>();
  // Hooks live as long as these.
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;
};

}  // namespace

// All: null, or a message made with `malloc`.

// Buckets of at least `bytes` bytes for the leaves `params`, of one kind and device, the last ones first: as
// a rule a backward pass comes to them first.
extern "C" char* s4_buckets_new(
    GroupPointer* group, at::Tensor* const* params, size_t count, int64_t bytes, Buckets** buckets) {
  return guarded([&] {
    auto made = std::make_unique<Buckets>();
    auto& state = *made->state;
    state.group = *group;
    state.places.resize(count);
    for (size_t i = 0; i < count; ++i) {
      state.params.push_back(*params[i]);
    }
    std::vector<size_t> members;
    int64_t size = 0;
    auto close = [&] {
      Bucket bucket;
      bucket.flat = at::zeros({size}, state.params[members[0]].options().requires_grad(false));
      int64_t at = 0;
      for (size_t number : members) {
        const auto& param = state.params[number];
        state.places[number] = {state.buckets.size(), bucket.views.size()};
        bucket.views.push_back(bucket.flat.narrow(0, at, param.numel()).view(param.sizes()));
        at += param.numel();
      }
      state.buckets.push_back(std::move(bucket));
      members.clear();
      size = 0;
    };
    for (size_t number = count; number-- > 0;) {
      members.push_back(number);
      size += state.params[number].numel();
      if (size * static_cast<int64_t>(state.params[number].element_size()) >= bytes) {
        close();
      }
    }
    if (!members.empty()) {
      close();
    }
    for (size_t number = 0; number < count; ++number) {
      auto accumulator = torch::autograd::impl::grad_accumulator(state.params[number]);
      TORCH_CHECK(accumulator != nullptr, "parameter ", number, " wants no gradient");
      std::weak_ptr<State> weak = made->state;
      accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
          [weak, number](const variable_list& outputs, const variable_list&) {
            if (auto state = weak.lock()) {
              state->come(number);
            }
            return outputs;
          }));
      made->accumulators.push_back(std::move(accumulator));
    }
    *buckets = made.release();
  });
}

// The next backward pass is the step's last one.
extern "C" char* s4_buckets_begin(Buckets* buckets) {
  return guarded([&] { buckets->state->begin(); });
}

// Waits for all sums. `is_spoiled`: they are not the sums of the gradients.
extern "C" char* s4_buckets_finish(Buckets* buckets, bool* is_spoiled) {
  return guarded([&] {
    buckets->state->finish();
    *is_spoiled = buckets->state->is_spoiled;
  });
}

// The summed gradient of parameter `number`, which is overwritten by the next step.
extern "C" at::Tensor* s4_buckets_sum(Buckets* buckets, size_t number) {
  auto [bucket, place] = buckets->state->places[number];
  return new at::Tensor(buckets->state->buckets[bucket].views[place]);
}

extern "C" void s4_buckets_delete(Buckets* buckets) { delete buckets; }
