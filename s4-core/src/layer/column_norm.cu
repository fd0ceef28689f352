// Norms over the columns of (H, P). The lanes of a warp stand side by side along the positions, PACK
// for each; the WARPS warps of a block share the ROWS rows. A tile of columns is small enough to be
// found in the cache when it is read again.
// SCALAR: one shift and one scale for all rows, s (x - mean + m) / std.

typedef Pack<VALUE, PACK> Values;

__device__ inline Values load(const VALUE* column, int row, long long positions) {
  return *(const Values*)(column + row * positions);
}

// The sums of x over the warps of the block, lane by lane, in every warp.
template <int N>
__device__ inline void over_warps(SUM (&x)[N][PACK]) {
  __shared__ SUM parts[WARPS][N * PACK * 32], sums[N * PACK * 32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int v = 0; v < PACK; v++) parts[warp][(n * PACK + v) * 32 + lane] = x[n][v];
  __syncthreads();
  for (int i = threadIdx.x; i < N * PACK * 32; i += WARPS * 32) {
    SUM sum = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += parts[w][i];
    sums[i] = sum;
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int v = 0; v < PACK; v++) x[n][v] = sums[(n * PACK + v) * 32 + lane];
}

// The sum of a over the warp in its lower half, that of b in its upper half.
__device__ inline SUM pair_sum(SUM a, SUM b) {
  bool upper = threadIdx.x & 16;
  SUM kept = upper ? b : a, given = upper ? a : b;
  kept += __shfl_xor_sync(~0u, given, 16);
#pragma unroll
  for (int k = 8; k; k >>= 1) kept += __shfl_xor_sync(~0u, kept, k);
  return kept;
}

// Also mean and 1 / √(var + eps) of each position, (2, P). A block works on one tile.
extern "C" __global__ void __launch_bounds__(32 * WARPS, 32 / WARPS)
    column_norm_forward(const VALUE* __restrict__ x, const SUM* __restrict__ weight,
                        const SUM* __restrict__ bias, VALUE* __restrict__ y,
                        SUM* __restrict__ statistics, double eps, long long positions) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  long long position = ((long long)blockIdx.x * 32 + lane) * PACK;
  bool inside = position < positions;
  if (!inside) position = 0;  // read in vain, so that all threads come to the barriers
  SUM mean[1][PACK] = {}, scale[1][PACK] = {};
#pragma unroll 8
  for (int row = warp; row < ROWS; row += WARPS) {
    Values here = load(x + position, row, positions);
#pragma unroll
    for (int v = 0; v < PACK; v++) mean[0][v] += number(here.at[v]);
  }
  over_warps(mean);
#pragma unroll
  for (int v = 0; v < PACK; v++) mean[0][v] /= ROWS;
#pragma unroll 8
  for (int row = warp; row < ROWS; row += WARPS) {
    Values here = load(x + position, row, positions);
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM way = number(here.at[v]) - mean[0][v];
      scale[0][v] += way * way;
    }
  }
  over_warps(scale);
#pragma unroll
  for (int v = 0; v < PACK; v++) scale[0][v] = 1 / sqrt(scale[0][v] / ROWS + (SUM)eps);
  if (!inside) return;
  if (warp == 0) {
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      statistics[position + v] = mean[0][v];
      statistics[positions + position + v] = scale[0][v];
    }
  }
#pragma unroll 8
  for (int row = warp; row < ROWS; row += WARPS) {
    Values here = load(x + position, row, positions), out;
    SUM factor = weight[SCALAR ? 0 : row], shift = bias[SCALAR ? 0 : row];
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM way = number(here.at[v]) - mean[0][v];
      round_to(out.at[v], SCALAR ? (way + shift) * (scale[0][v] * factor)
                                 : way * scale[0][v] * factor + shift);
    }
    *(Values*)(y + position + row * positions) = out;
  }
}

// With γ = weight ∘ g: (γ - mean(γ) - x̂ mean(γ x̂)) scale. SCALAR: with x̂ + m scale for the x̂ under
// the mean. Also each block's part of the gradients of bias and weight, (2, H, blocks) or, SCALAR,
// (2, blocks). A block works on many tiles, so that these parts are few.
extern "C" __global__ void __launch_bounds__(32 * WARPS, 32 / WARPS)
    column_norm_backward(const VALUE* __restrict__ x, const VALUE* __restrict__ of_y,
                         const SUM* __restrict__ statistics, const SUM* __restrict__ weight,
                         const SUM* __restrict__ bias, VALUE* __restrict__ of_x,
                         SUM* __restrict__ parts, long long positions) {
  __shared__ SUM sums[2][SCALAR ? 1 : ROWS];  // a row is one warp's alone
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (!SCALAR && lane % 16 == 0) {
    for (int row = warp; row < ROWS; row += WARPS) sums[lane / 16][row] = 0;
  }
  SUM of_shift = 0, of_factor = 0;
  long long tiles = (positions + 32 * PACK - 1) / (32 * PACK);
  for (long long tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    long long position = (tile * 32 + lane) * PACK;
    bool inside = position < positions;
    if (!inside) position = 0;
    SUM mean[PACK], scale[PACK], means[2][PACK] = {};
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      mean[v] = statistics[position + v];
      scale[v] = statistics[positions + position + v];
    }
#pragma unroll 4
    for (int row = warp; row < ROWS; row += WARPS) {
      Values here = load(x + position, row, positions), d = load(of_y + position, row, positions);
      SUM factor = SCALAR ? 1 : weight[row];
#pragma unroll
      for (int v = 0; v < PACK; v++) {
        SUM g = number(d.at[v]) * factor;
        means[0][v] += g;
        means[1][v] += g * (number(here.at[v]) - mean[v]);
      }
    }
    over_warps(means);
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      means[1][v] *= scale[v];
      if (SCALAR) {
        means[1][v] += bias[0] * scale[v] * means[0][v];
        if (warp == 0 && inside) {
          of_shift += means[0][v] * scale[v] * weight[0];
          of_factor += means[1][v];
        }
      }
      means[0][v] /= ROWS;
      means[1][v] /= ROWS;
    }
#pragma unroll 4
    for (int row = warp; row < ROWS; row += WARPS) {
      Values here = load(x + position, row, positions), d = load(of_y + position, row, positions);
      Values out;
      SUM factor = SCALAR ? 1 : weight[row], sum = 0, sum_x = 0;
#pragma unroll
      for (int v = 0; v < PACK; v++) {
        SUM g = number(d.at[v]), normal = (number(here.at[v]) - mean[v]) * scale[v];
        sum += g;
        sum_x += g * normal;
        SUM of_here = (g * factor - means[0][v] - normal * means[1][v]) * scale[v];
        round_to(out.at[v], SCALAR ? of_here * weight[0] : of_here);
      }
      if (inside) *(Values*)(of_x + position + row * positions) = out;
      if (!SCALAR) {
        SUM both = pair_sum(inside ? sum : 0, inside ? sum_x : 0);
        if (lane % 16 == 0) sums[lane / 16][row] += both;
      }
    }
  }
  if (SCALAR) {
    SUM both = pair_sum(of_shift, of_factor);
    if (warp == 0 && lane % 16 == 0) parts[lane / 16 * gridDim.x + blockIdx.x] = both;
  } else if (lane % 16 == 0) {
    for (int row = warp; row < ROWS; row += WARPS) {
      parts[((long long)lane / 16 * ROWS + row) * gridDim.x + blockIdx.x] = sums[lane / 16][row];
    }
  }
}
