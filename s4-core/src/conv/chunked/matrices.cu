// The matrices of a chunk from the powers of Ā, and back. Block (h, i): channel h, output i of its SSM
// (I outputs look back; with D = 2, as many look ahead).
//
//   input (H, T, D·N)        what input j adds to the state behind its chunk, and to the one before it
//   output (I, H, T, D·N)    what the states in front of the chunk and behind it add to output j
//   toeplitz (I, H, T, T)    what input j adds to output i: past taps, the skip, future taps
//
// N: real states. D: directions. VALUE: kind of the powers. OUT: kind of the matrices.

// Past tap t of output i is c_i Āᵗ b; future tap t, one step later, that of c_{I+i}.
__device__ inline VALUE tap(const VALUE* taps, const VALUE* skip, int i, long long h, int I, int H,
                            int T, int lag) {
  if (lag < 0) return D == 2 ? taps[((long long)(I + i) * H + h) * T - lag - 1] : (VALUE)0;
  VALUE x = taps[((long long)i * H + h) * T + lag];
  return lag == 0 && skip ? x + skip[(long long)i * H + h] : x;
}

// The blocks of a channel and output, and in each the warps, share the rows t of all matrices; lanes lie
// along them.
extern "C" __global__ void matrices(const VALUE* columns, const VALUE* rows, const VALUE* taps,
                                    const VALUE* skip, OUT* input, OUT* output, OUT* toeplitz, int H,
                                    int I, int T) {
  long long h = blockIdx.x;
  int i = blockIdx.y, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  long long row = (long long)i * H + h;
  for (int t = blockIdx.z * warps + threadIdx.x / 32; t < T; t += gridDim.z * warps) {
#pragma unroll
    for (int d = 0; d < D; d++) {
      long long column = h * T + (d == 0 ? T - 1 - t : t);
      long long from = (row + (long long)d * I * H) * (T + 1) + (d == 0 ? t + 1 : T - 1 - t);
      for (int n = lane; n < N; n += 32) {
        if (i == 0) round_to(input[((h * T + t) * D + d) * N + n], number(columns[column * N + n]));
        round_to(output[((row * T + t) * D + d) * N + n], number(rows[from * N + n]));
      }
    }
#pragma unroll 4
    for (int k = lane; k < T; k += 32) {
      round_to(toeplitz[(row * T + t) * T + k], number(tap(taps, skip, i, h, I, H, T, k - t)));
    }
  }
}

// Gradients of columns, rows, taps (as large as they are) and skip (I, H) from those of the matrices.
extern "C" __global__ void matrices_back(const VALUE* g_input, const VALUE* g_output,
                                         const VALUE* g_toeplitz, VALUE* of_columns, VALUE* of_rows,
                                         VALUE* of_taps, VALUE* of_skip, int H, int I, int T) {
  long long h = blockIdx.x;
  int i = blockIdx.y, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  long long row = (long long)i * H + h;
  for (int t = blockIdx.z * warps + threadIdx.x / 32; t <= T; t += gridDim.z * warps) {
    if (i == 0 && t < T) {
      const VALUE* g = g_input + h * T * D * N;
      for (int n = lane; n < N; n += 32) {
        VALUE sum = g[(T - 1 - t) * D * N + n];
        if (D == 2) sum += g[t * D * N + N + n];
        of_columns[(h * T + t) * N + n] = sum;
      }
    }
#pragma unroll
    for (int d = 0; d < D; d++) {
      long long to = ((row + (long long)d * I * H) * (T + 1) + t) * N;
      int from = d == 0 ? t - 1 : T - 1 - t;
      for (int n = lane; n < N; n += 32) {
        of_rows[to + n] = from < 0 ? (VALUE)0 : g_output[(row * T + from) * D * N + d * N + n];
      }
    }
  }
  // A thread a diagonal, so that neighbours read neighbours.
  const VALUE* g = g_toeplitz + row * T * T;
  int step = gridDim.z * blockDim.x;
  for (int k = blockIdx.z * blockDim.x + threadIdx.x; k < 2 * T - 1; k += step) {
    int lag = k - (T - 1);
    VALUE sum = 0;
#pragma unroll 8
    for (int j = 0; j < T; j++) {
      if (j + lag >= 0 && j + lag < T) sum += g[j * T + j + lag];
    }
    if (lag >= 0) of_taps[row * T + lag] = sum;
    if (lag == 0 && of_skip) of_skip[row] = sum;
    if (lag < 0 && D == 2) of_taps[(row + (long long)I * H) * T - lag - 1] = sum;
  }
  if (D == 2 && threadIdx.x == 0 && blockIdx.z == 0) {
    of_taps[(row + (long long)I * H) * T + T - 1] = 0;
  }
}
