// What every kernel is compiled with: number types, packs and sums. No header of CUDA's is needed.

// The upper half of a float32.
struct bf16 {
  unsigned short bits;
};

__device__ inline float number(float x) { return x; }
__device__ inline double number(double x) { return x; }
__device__ inline float number(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }

// A number rounded to a storage type: to nearest, ties to even; NaN stays NaN.
__device__ inline void round_to(float& to, double x) { to = (float)x; }
__device__ inline void round_to(double& to, double x) { to = x; }
__device__ inline void round_to(float& to, float x) { to = x; }
__device__ inline void round_to(double& to, float x) { to = x; }
__device__ inline void round_to(bf16& to, float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(x));
#else
  unsigned bits = __float_as_uint(x);
  bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  to.bits = is_nan ? 0x7fc0 : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}
__device__ inline void round_to(bf16& to, double x) { round_to(to, (float)x); }

// V values that are loaded and stored at once; their address must be a multiple of their size.
template <typename T, int V>
struct __align__(sizeof(T) * V) Pack {
  T at[V];
};

// The sum over the 32 lanes of a warp, in every lane.
template <typename T>
__device__ inline T warp_sum(T x) {
#pragma unroll
  for (int k = 16; k; k >>= 1) x += __shfl_xor_sync(~0u, x, k);
  return x;
}

// Brings a line of memory nearer, for a load that comes later.
__device__ inline void prefetch(const void* address) {
#ifdef __CUDA_ARCH__
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
#endif
}

