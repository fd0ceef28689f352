// The states of libtorch's random number generators.

#include <cstring>
#include <exception>
#include <mutex>

#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

// Both: null, or a message made with `malloc`.

// The state of the generator of the device of `on`, as a tensor made with `new`.
extern "C" char* s4_generator_state(const at::Tensor* on, at::Tensor** state) {
  try {
    at::Generator generator = at::globalContext().defaultGenerator(on->device());
    std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new at::Tensor(generator.get_state());
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

extern "C" char* s4_set_generator_state(const at::Tensor* on, const at::Tensor* state) {
  try {
    at::Generator generator = at::globalContext().defaultGenerator(on->device());
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(*state);
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}
