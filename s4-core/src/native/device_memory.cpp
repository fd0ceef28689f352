// What libtorch's allocator has handed out on a device other than the CPU.

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "guarded.h"

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
  return guarded([&] {
    auto stats = allocator_of(*on)->getDeviceStats(on->device().index());
    *bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

extern "C" char* s4_device_memory_reset_peak(const at::Tensor* on) {
  return guarded([&] {
    allocator_of(*on)->resetPeakStats(on->device().index());
  });
}

// The bytes that the device has.
extern "C" char* s4_device_memory_total(const at::Tensor* on, int64_t* bytes) {
  return guarded([&] {
    *bytes = allocator_of(*on)->getMemoryInfo(on->device().index()).second;
  });
}
