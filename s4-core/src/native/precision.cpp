// Settings of libtorch that change how it multiplies.

#include <ATen/Context.h>

extern "C" int s4_is_tf32_allowed() { return at::globalContext().allowTF32CuBLAS() ? 1 : 0; }
