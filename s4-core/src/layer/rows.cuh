// What kernels on rows (H, P) share. VALUE is what the rows are stored as, SUM what is calculated in
// (float, or double for doubles), PACK the values that a thread loads at once.
typedef Pack<VALUE, PACK> Values;

// The sums of x over the block, in every lane of its first warp. Once a kernel.
template <int N>
__device__ inline void block_sums(SUM (&x)[N]) {
  __shared__ SUM parts[N][32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
#pragma unroll
  for (int n = 0; n < N; n++) {
    x[n] = warp_sum(x[n]);
    if (lane == 0) parts[n][warp] = x[n];
  }
  __syncthreads();
  if (warp != 0) return;
#pragma unroll
  for (int n = 0; n < N; n++) x[n] = warp_sum(lane < warps ? parts[n][lane] : SUM(0));
}

