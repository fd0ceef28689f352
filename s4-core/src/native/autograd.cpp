// A node of libtorch's autograd graph whose backward pass is a closure of another language.

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include "guarded.h"

namespace {

using torch::autograd::variable_list;

// The gradients of the outputs (null where there is none) to those of the inputs, as tensors made
// with `new`; null, or a message made with `malloc`.
using Backward = char* (*)(void* closure, at::Tensor** of_outputs, at::Tensor** of_inputs);
using Drop = void (*)(void* closure);

class ClosureNode : public torch::autograd::Node {
 public:
  ClosureNode(void* closure, Backward backward, Drop drop)
      : closure_(closure), backward_(backward), drop_(drop) {}

  ~ClosureNode() override { release(); }

  void release_variables() override { release(); }

 protected:
  variable_list apply(variable_list&& of_outputs) override {
    TORCH_CHECK(closure_ != nullptr, "a graph was back-propagated through twice");
    TORCH_CHECK(!at::GradMode::is_enabled(), "gradients of gradients are not supported here");
    std::vector<at::Tensor*> given;
    for (auto& gradient : of_outputs) {
      given.push_back(gradient.defined() ? &gradient : nullptr);
    }
    std::vector<at::Tensor*> found(num_outputs(), nullptr);
    char* message = backward_(closure_, given.data(), found.data());
    variable_list of_inputs(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] != nullptr) {
        of_inputs[i] = std::move(*found[i]);
        delete found[i];
      }
    }
    if (message != nullptr) {
      std::string copy(message);
      std::free(message);
      TORCH_CHECK(false, copy);
    }
    return of_inputs;
  }

 private:
  void release() {
    if (closure_ != nullptr) {
      drop_(std::exchange(closure_, nullptr));
    }
  }

  void* closure_;
  Backward backward_;
  Drop drop_;
};

}  // namespace

// Makes `outputs` depend on `inputs` through the closure, which is taken over in any case. Null, or
// a message made with `malloc`.
extern "C" char* s4_autograd_attach(
    at::Tensor* const* inputs, size_t input_count, at::Tensor* const* outputs, size_t output_count,
    void* closure, Backward backward, Drop drop) {
  return guarded([&] {
    auto node = std::shared_ptr<ClosureNode>(
        new ClosureNode(closure, backward, drop), torch::autograd::deleteNode);
    variable_list sources;
    for (size_t i = 0; i < input_count; ++i) {
      sources.push_back(*inputs[i]);
    }
    node->set_next_edges(torch::autograd::collect_next_edges(sources));
    for (size_t i = 0; i < output_count; ++i) {
      torch::autograd::set_history(*outputs[i], node);
    }
  });
}

// Puts `gradient`, or none where it is null, in the place of a leaf's gradient.
extern "C" void s4_autograd_set_gradient(at::Tensor* leaf, const at::Tensor* gradient) {
  leaf->mutable_grad() = gradient != nullptr ? *gradient : at::Tensor();
}
