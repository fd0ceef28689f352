// Groups of NCCL's, for tensors on CUDA devices. They are in libtorch_cuda.so, which is not linked and may
// not be loaded, and their header wants those of CUDA and NCCL: two constructors are looked up by their
// names, and all else goes through virtual functions of c10d::Backend.

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <new>

#include <torch/version.h>

#include "guarded.h"
#include "pointers.h"

namespace {

static_assert(
    TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR == 11,
    "another libtorch: compare the constructors and sizes of ProcessGroupNCCL");

template <typename Function>
Function* constructor(const char* name) {
  void* function = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(function != nullptr, "the CUDA half of this libtorch has no NCCL, or is of another version");
  return reinterpret_cast<Function*>(function);
}

// Zeroed memory for an object of unknown size; a group takes 1,112 bytes.
void* place() {
  constexpr size_t enough = 4096;
  void* memory = ::operator new(enough);
  std::memset(memory, 0, enough);
  return memory;
}

using OptionsPointer = c10::intrusive_ptr<c10d::Backend::Options>;

constexpr const char* kOptions = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
constexpr const char* kGroup =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_"
    "null_typeIS3_EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE";

}  // namespace

extern "C" char* s4_group_nccl(
    StorePointer* store, int rank, int size, int64_t timeout, GroupPointer** group) {
  return guarded([&] {
    auto* make_options = constructor<void(void*, bool)>(kOptions);
    auto* make_group = constructor<void(void*, StorePointer, int, int, OptionsPointer)>(kGroup);
    // Errors come to whoever waits, rather than from a watchdog that ends the process.
    setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
    void* memory = place();
    make_options(memory, false);
    auto options =
        OptionsPointer::unsafe_steal_from_new(static_cast<c10d::Backend::Options*>(memory));
    options->timeout = std::chrono::milliseconds(timeout);
    memory = place();
    make_group(memory, *store, rank, size, options);
    *group = new GroupPointer(
        GroupPointer::unsafe_steal_from_new(static_cast<c10d::Backend*>(memory)));
  });
}
