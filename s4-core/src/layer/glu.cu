// The gated linear unit a ∘ σ(g) behind a linear map: z holds the rows of a, then those of g, both
// still without their bias. blockIdx.y is a row of the output.

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
__device__ inline double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

extern "C" __global__ void glu_forward(const VALUE* __restrict__ z, const SUM* __restrict__ bias,
                                       VALUE* __restrict__ out, long long positions) {
  long long row = blockIdx.y, rows = gridDim.y;
  const Values* a = (const Values*)(z + row * positions);
  const Values* g = (const Values*)(z + (rows + row) * positions);
  Values* to = (Values*)(out + row * positions);
  SUM bias_a = bias[row], bias_g = bias[rows + row];
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values of_a = a[i], of_g = g[i], y;
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      round_to(y.at[v], (number(of_a.at[v]) + bias_a) * sigmoid(number(of_g.at[v]) + bias_g));
    }
    to[i] = y;
  }
}

// The gradient of z, and each block's part of the gradient of the bias: (2H, blocks).
extern "C" __global__ void glu_backward(const VALUE* __restrict__ z, const SUM* __restrict__ bias,
                                        const VALUE* __restrict__ of_out, VALUE* __restrict__ of_z,
                                        SUM* __restrict__ of_bias, long long positions) {
  long long row = blockIdx.y, rows = gridDim.y;
  const Values* a = (const Values*)(z + row * positions);
  const Values* g = (const Values*)(z + (rows + row) * positions);
  const Values* given = (const Values*)(of_out + row * positions);
  Values* to_a = (Values*)(of_z + row * positions);
  Values* to_g = (Values*)(of_z + (rows + row) * positions);
  SUM bias_a = bias[row], bias_g = bias[rows + row];
  SUM sums[2] = {0, 0};
  long long packs = positions / PACK, step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < packs; i += step) {
    Values of_a = a[i], of_g = g[i], d = given[i], y_a, y_g;
#pragma unroll
    for (int v = 0; v < PACK; v++) {
      SUM gate = sigmoid(number(of_g.at[v]) + bias_g);
      SUM d_a = number(d.at[v]) * gate;
      SUM d_g = d_a * (number(of_a.at[v]) + bias_a) * (1 - gate);
      sums[0] += d_a;
      sums[1] += d_g;
      round_to(y_a.at[v], d_a);
      round_to(y_g.at[v], d_g);
    }
    to_a[i] = y_a;
    to_g[i] = y_g;
  }
  block_sums(sums);
  if (threadIdx.x == 0) {
    of_bias[row * gridDim.x + blockIdx.x] = sums[0];
    of_bias[(rows + row) * gridDim.x + blockIdx.x] = sums[1];
  }
}
