// The states of libtorch's random number generators.

#include <mutex>

#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "guarded.h"

// Both: null, or a message made with `malloc`.

// The state of the generator of the device of `on`, as a tensor made with `new`.
extern "C" char* s4_generator_state(const at::Tensor* on, at::Tensor** state) {
  return guarded([&] {
    at::Generator generator = at::globalContext().defaultGenerator(on->device());
    std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new at::Tensor(generator.get_state());
  });
}

extern "C" char* s4_set_generator_state(const at::Tensor* on, const at::Tensor* state) {
  return guarded([&] {
    at::Generator generator = at::globalContext().defaultGenerator(on->device());
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(*state);
  });
}
