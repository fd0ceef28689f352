// Batch norm over rows (H, P). blockIdx.y is a row, blockIdx.x the part of it that a block works on.

// Of some values: their number, mean, and sum of squared distances from it.
struct Moments {
  SUM count, mean, squares;
};

// Of two sets of values together (Chan et al. 1983).
__device__ inline Moments together(Moments a, Moments b) {
  SUM count = a.count + b.count;
  if (count == 0) return a;
  SUM way = b.mean - a.mean, share = b.count / count;
  return {count, a.mean + way * share, a.squares + b.squares + way * way * a.count * share};
}

// Of all lanes, the same in each.
__device__ inline Moments over_warp(Moments m) {
#pragma unroll
  for (int k = 16; k; k >>= 1) {
    Moments other = {__shfl_xor_sync(~0u, m.count, k), __shfl_xor_sync(~0u, m.mean, k),
                     __shfl_xor_sync(~0u, m.squares, k)};
    m = together(m, other);
  }
  return {__shfl_sync(~0u, m.count, 0), __shfl_sync(~0u, m.mean, 0),
          __shfl_sync(~0u, m.squares, 0)};
}

// Of each block's part of a row: (H, blocks, 3).
extern "C" __global__ void batch_norm_moments(const VALUE* __restrict__ x, SUM* __restrict__ parts,
                                              long long positions) {
  __shared__ Moments of_warps[32];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const Values* row = (const Values*)(x + blockIdx.y * positions);
  Moments all = {0, 0, 0};
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values here = row[i];
    Moments pack = {PACK, 0, 0};
#pragma unroll
    for (int v = 0; v < PACK; v++) pack.mean += number(here.at[v]);
    pack.mean /= PACK;
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM way = number(here.at[v]) - pack.mean;
      pack.squares += way * way;
    }
    all = together(all, pack);
  }
  all = over_warp(all);
  if (lane == 0) of_warps[warp] = all;
  __syncthreads();
  if (warp != 0) return;
  Moments none = {0, 0, 0};
  all = over_warp(lane < warps ? of_warps[lane] : none);
  if (lane == 0) {
    SUM* to = parts + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 3;
    to[0] = all.count;
    to[1] = all.mean;
    to[2] = all.squares;
  }
}

// weight (x - mean) scale + bias, with the mean and the scale 1 / √(var + eps) of each row, which are
// kept (2, H). Running statistics move on by `momentum` where there are any.
extern "C" __global__ void batch_norm_forward(
    const VALUE* __restrict__ x, const SUM* __restrict__ parts, int part_count,
    const SUM* __restrict__ weight, const SUM* __restrict__ bias, VALUE* __restrict__ y,
    SUM* __restrict__ statistics, SUM* running_mean, SUM* running_var, double momentum, double eps,
    long long positions) {
  long long row = blockIdx.y, rows = gridDim.y;
  // Every warp puts the row's parts together for itself.
  Moments all = {0, 0, 0};
  for (int i = threadIdx.x % 32; i < part_count; i += 32) {
    const SUM* part = parts + (row * part_count + i) * 3;
    Moments here = {part[0], part[1], part[2]};
    all = together(all, here);
  }
  all = over_warp(all);
  SUM scale = 1 / sqrt(all.squares / all.count + (SUM)eps);
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    statistics[row] = all.mean;
    statistics[rows + row] = scale;
    SUM share = (SUM)momentum;
    if (running_mean) {
      running_mean[row] = (1 - share) * running_mean[row] + share * all.mean;
      running_var[row] = (1 - share) * running_var[row] + share * (all.squares / (all.count - 1));
    }
  }
  SUM factor = scale * weight[row], shift = bias[row];
  const Values* from = (const Values*)(x + row * positions);
  Values* to = (Values*)(y + row * positions);
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values here = from[i], out;
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      round_to(out.at[v], (number(here.at[v]) - all.mean) * factor + shift);
    }
    to[i] = out;
  }
}

// Each block's part of the gradients of bias and weight, Σ g and Σ g x̂: (2, H, blocks).
extern "C" __global__ void batch_norm_sums(const VALUE* __restrict__ x,
                                           const VALUE* __restrict__ of_y,
                                           const SUM* __restrict__ statistics,
                                           SUM* __restrict__ parts, long long positions) {
  long long row = blockIdx.y, rows = gridDim.y;
  SUM mean = statistics[row], scale = statistics[rows + row];
  const Values* from = (const Values*)(x + row * positions);
  const Values* given = (const Values*)(of_y + row * positions);
  SUM sums[2] = {0, 0};
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values here = from[i], d = given[i];
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM g = number(d.at[v]);
      sums[0] += g;
      sums[1] += g * (number(here.at[v]) - mean);
    }
  }
  block_sums(sums);
  if (threadIdx.x == 0) {
    parts[row * gridDim.x + blockIdx.x] = sums[0];
    parts[(rows + row) * gridDim.x + blockIdx.x] = sums[1] * scale;
  }
}

// weight scale (g - mean(g) - x̂ mean(g x̂)), and the gradients of bias and weight (2, H).
extern "C" __global__ void batch_norm_backward(
    const VALUE* __restrict__ x, const VALUE* __restrict__ of_y, const SUM* __restrict__ statistics,
    const SUM* __restrict__ parts, int part_count, const SUM* __restrict__ weight,
    VALUE* __restrict__ of_x, SUM* __restrict__ of_parameters, long long positions) {
  long long row = blockIdx.y, rows = gridDim.y;
  SUM sum = 0, sum_x = 0;
  for (int i = threadIdx.x % 32; i < part_count; i += 32) {
    sum += parts[row * part_count + i];
    sum_x += parts[(rows + row) * part_count + i];
  }
  sum = warp_sum(sum);
  sum_x = warp_sum(sum_x);
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    of_parameters[row] = sum;
    of_parameters[rows + row] = sum_x;
  }
  SUM mean = statistics[row], scale = statistics[rows + row], factor = scale * weight[row];
  SUM mean_g = sum / positions, slope = sum_x / positions * scale;
  const Values* from = (const Values*)(x + row * positions);
  const Values* given = (const Values*)(of_y + row * positions);
  Values* to = (Values*)(of_x + row * positions);
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values here = from[i], d = given[i], out;
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM rest = (number(here.at[v]) - mean) * slope;
      round_to(out.at[v], (number(d.at[v]) - mean_g - rest) * factor);
    }
    to[i] = out;
  }
}
