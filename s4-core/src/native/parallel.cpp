// Work for the threads that libtorch's own operations run on.

#include <cstdint>

#include <ATen/Parallel.h>

// Calls `work(context, begin, end)` for ranges that cover 0..count, side by side.
extern "C" void s4_parallel_for(
    int64_t count, void* context, void (*work)(void* context, int64_t begin, int64_t end)) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) { work(context, begin, end); });
}
