// What libtorch's allocator has handed out on a device other than the CPU.

#include <cstdint>
#include <cstring>
#include <exception>

#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace {

c10::DeviceAllocator* allocator_of(const at::Tensor& on) {
  auto* allocator = c10::getDeviceAllocator(on.device().type());
  TORCH_CHECK(allocator->initialized(), "nothing was allocated yet");
  return allocator;
}

} // namespace

// All: null, or a message made with `malloc`; of the device of `on`.

// The most bytes of tensors at once, since the last reset.
extern "C" char* s4_device_memory_peak(const at::Tensor* on, int64_t* bytes) {
  try {
    auto stats = allocator_of(*on)->getDeviceStats(on->device().index());
    *bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

extern "C" char* s4_device_memory_reset_peak(const at::Tensor* on) {
  try {
    allocator_of(*on)->resetPeakStats(on->device().index());
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// The bytes that the device has.
extern "C" char* s4_device_memory_total(const at::Tensor* on, int64_t* bytes) {
  try {
    *bytes = allocator_of(*on)->getMemoryInfo(on->device().index()).second;
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}
