// libtorch's switch for TF32, which neither tch nor its C interface has.

#include <ATen/Context.h>

extern "C" int s4_tf32_is_allowed() { return at::globalContext().allowTF32CuBLAS() ? 1 : 0; }

extern "C" void s4_tf32_allow() { at::globalContext().setAllowTF32CuBLAS(true); }
