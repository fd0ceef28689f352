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

extern "C" __global__ void matrices(const VALUE* columns, const VALUE* rows, const VALUE* taps,
                                    const VALUE* skip, OUT* input, OUT* output, OUT* toeplitz, int H,
                                    int I, int T) {
  long long h = blockIdx.x;
  int i = blockIdx.y;
  if (i == 0) {
    const VALUE* from = columns + h * T * N;
    for (int at = threadIdx.x; at < T * D * N; at += blockDim.x) {
      int t = at / (D * N), d = at / N % D, n = at % N;
      round_to(input[h * T * D * N + at], number(from[(d == 0 ? T - 1 - t : t) * N + n]));
    }
  }
  long long row = (long long)i * H + h;
  for (int at = threadIdx.x; at < T * D * N; at += blockDim.x) {
    int t = at / (D * N), d = at / N % D, n = at % N;
    long long from = (row + (long long)d * I * H) * (T + 1) + (d == 0 ? t + 1 : T - 1 - t);
    round_to(output[row * T * D * N + at], number(rows[from * N + n]));
  }
  for (int at = threadIdx.x; at < T * T; at += blockDim.x) {
    round_to(toeplitz[row * T * T + at], number(tap(taps, skip, i, h, I, H, T, at % T - at / T)));
  }
}

// Gradients of columns, rows, taps (as large as they are) and skip (I, H) from those of the matrices.
extern "C" __global__ void matrices_back(const VALUE* g_input, const VALUE* g_output,
                                         const VALUE* g_toeplitz, VALUE* of_columns, VALUE* of_rows,
                                         VALUE* of_taps, VALUE* of_skip, int H, int I, int T) {
  long long h = blockIdx.x;
  int i = blockIdx.y;
  if (i == 0) {
    const VALUE* g = g_input + h * T * D * N;
    for (int at = threadIdx.x; at < T * N; at += blockDim.x) {
      int t = at / N, n = at % N;
      VALUE sum = g[(T - 1 - t) * D * N + n];
      if (D == 2) sum += g[t * D * N + N + n];
      of_columns[h * T * N + at] = sum;
    }
  }
  long long row = (long long)i * H + h;
  for (int d = 0; d < D; d++) {
    long long to = (row + (long long)d * I * H) * (T + 1) * N;
    for (int at = threadIdx.x; at < (T + 1) * N; at += blockDim.x) {
      int t = d == 0 ? at / N - 1 : T - 1 - at / N, n = at % N;
      of_rows[to + at] = t < 0 ? (VALUE)0 : g_output[(row * T + t) * D * N + d * N + n];
    }
  }
  // A thread a diagonal, so that neighbours read neighbours.
  const VALUE* g = g_toeplitz + row * T * T;
  for (int k = threadIdx.x; k < 2 * T - 1; k += blockDim.x) {
    int lag = k - (T - 1);
    VALUE sum = 0;
    for (int j = lag < 0 ? -lag : 0; j < T && j + lag < T; j++) sum += g[j * T + j + lag];
    if (lag >= 0) of_taps[row * T + lag] = sum;
    if (lag == 0 && of_skip) of_skip[row] = sum;
    if (lag < 0 && D == 2) of_taps[(row + (long long)I * H) * T - lag - 1] = sum;
  }
  if (D == 2 && threadIdx.x == 0) of_taps[(row + (long long)I * H) * T + T - 1] = 0;
}
