// Operations on whole lists of tensors.

#include <cstdint>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_abs.h>
#include <ATen/ops/_foreach_max.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>

#include "guarded.h"

namespace {

using Pointers = at::Tensor* const*;
using Tensors = std::vector<at::Tensor>;

Tensors gather(Pointers pointers, size_t count) {
  Tensors tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) tensors.push_back(*pointers[i]);
  return tensors;
}

// The numbers of one update.
struct AdamW {
  double lr, weight_decay, beta1, beta2, eps;
};

// The tensors of one update, index by index.
struct Lists {
  Tensors params, grads, exp_avgs, exp_avg_sqs;

  void update(int64_t step, const AdamW& by) {
    if (params.empty()) return;
    // A CUDA kernel reads the step from device memory and does not change it, so that one tensor
    // serves all. Filling it takes no transfer. float32 is exact up to 2^24 steps, and the bias
    // corrections are 1 long before.
    at::Tensor on_device = at::full({}, step, params[0].options().dtype(at::kFloat));
    Tensors steps(params.size(), on_device);
    at::_fused_adamw_(
        params, grads, exp_avgs, exp_avg_sqs, /*max_exp_avg_sqs=*/{}, steps, by.lr, by.beta1,
        by.beta2, by.weight_decay, by.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
};

// While it lives, loops of this thread run on this thread alone. OpenMP's setting is a variable of
// the thread; at::set_num_threads would rebuild thread pools each time.
class OneThread {
#ifdef _OPENMP
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
#endif
};

} // namespace

// All: null, or a message made with `malloc`.

// One AdamW update in place. `params` and moments are contiguous; gradients may have any strides
// (the transposed one of a permuted weight), which the kernels do not look at.
extern "C" char* s4_foreach_adamw(
    Pointers params, Pointers grads, Pointers exp_avgs, Pointers exp_avg_sqs, size_t count,
    int64_t step, const AdamW* by) {
  return guarded([&] {
    // The CPU's kernels start a team of threads for every tensor, however small. On an idle machine
    // that doubles the time of small ones; where other programs compete for the cores it takes fifty
    // times as long, since at the end of each tensor all threads wait for the slowest.
    Lists large, small;
    for (size_t i = 0; i < count; ++i) {
      const at::Tensor& param = *params[i];
      bool is_small = param.is_cpu() && param.numel() < at::internal::GRAIN_SIZE;
      Lists& lists = is_small ? small : large;
      lists.params.push_back(param);
      lists.grads.push_back(grads[i]->contiguous());
      lists.exp_avgs.push_back(*exp_avgs[i]);
      lists.exp_avg_sqs.push_back(*exp_avg_sqs[i]);
    }
    large.update(step, *by);
    [[maybe_unused]] OneThread one;
    small.update(step, *by);
  });
}

// Multiplies each tensor by the scalar tensor `factor`, in place.
extern "C" char* s4_foreach_multiply(Pointers tensors, size_t count, const at::Tensor* factor) {
  return guarded([&] { at::_foreach_mul_(gather(tensors, count), *factor); });
}

// The largest absolute value of each tensor, as scalar tensors made with `new`.
extern "C" char* s4_foreach_max_abs(Pointers tensors, size_t count, at::Tensor** largest) {
  return guarded([&] {
    Tensors found = at::_foreach_max(at::_foreach_abs(gather(tensors, count)));
    for (size_t i = 0; i < count; ++i) largest[i] = new at::Tensor(std::move(found[i]));
  });
}
