// States in front of the chunks, in place: v (H, B, M, D·N) holds what each chunk adds, and
// s' = A s + v. Direction 0 runs from the first chunk to the last, direction 1 back; for gradients,
// `flip` turns both round and transposes A. `state` (H, B, N), if given, is where direction 0 starts
// from, and gets where it ends; `before_last` gets its state in front of the last chunk.
//
// scan_dense: block (h, d, z) has channel h, direction d, the 4·GROUPS sequences from z·4·GROUPS on.
// Four lanes side by side work on four rows of A: each keeps a quarter of all four in registers, so
// that a value that it reads from shared memory counts for four rows, and gets the sums of one of them
// in the end. All loops over arrays have constant bounds, for an array that is indexed otherwise goes
// to slow memory.
// scan_diagonal: a thread a pair of states.
//
// N: real states. GROUPS: of four sequences in a block. VALUE: kind of v. REAL: kind of the state.

#define HALF (N / 2)
#define ROWS ((N + 31) / 32 * 32)
#define QUARTER ((N + 3) / 4)
#define AHEAD 8  // steps between the wish for a value and its use

struct __align__(4 * sizeof(REAL)) Four {
  REAL at[4];
};

// a (H, N, N). Threads: ROWS · GROUPS.
extern "C" __global__ void __launch_bounds__(ROWS * GROUPS)
    scan_dense(const double* a, VALUE* v, double* state, double* before_last, int B, int M, int D,
               int flip) {
  __shared__ Four S[2][GROUPS][4 * QUARTER];  // states of four sequences each
  long long h = blockIdx.x;
  int d = blockIdx.y, b0 = blockIdx.z * 4 * GROUPS, n = threadIdx.x % ROWS, g = threadIdx.x / ROWS;
  int lane = n % 4;
  bool is_row = n < N;
  long long ld = (long long)D * N;
  REAL A[4][QUARTER];  // of the rows n - lane .. n - lane + 3, every fourth entry from `lane` on
#pragma unroll
  for (int r = 0; r < 4; r++)
#pragma unroll
    for (int i = 0; i < QUARTER; i++) {
      int row = n - lane + r, k = 4 * i + lane;
      bool is_in = row < N && k < N;
      A[r][i] = is_in ? (REAL)a[(h * N + (flip ? k : row)) * N + (flip ? row : k)] : (REAL)0;
    }
  for (int i = threadIdx.x; i < 2 * GROUPS * 4 * QUARTER; i += blockDim.x) {
    (&S[0][0][0])[i] = Four{{0, 0, 0, 0}};
  }
  __syncthreads();
  VALUE* base = v + (h * B + b0 + 4 * g) * M * ld + d * N + n;
  long long next_sequence = M * ld;
  int back = d ^ flip, m = back ? M - 1 : 0, step = back ? -1 : 1;
  bool ok[4];
  REAL now[4];
  Four first;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    ok[j] = is_row && b0 + 4 * g + j < B;
    now[j] = ok[j] ? (REAL)number(base[j * next_sequence + m * ld]) : (REAL)0;
    first.at[j] = ok[j] && state && d == 0 ? (REAL)state[(h * B + b0 + 4 * g + j) * N + n] : (REAL)0;
  }
  if (is_row) S[0][g][n] = first;
  __syncthreads();
  int p = 0;
  for (int s = 0; s < M; s++, p ^= 1) {
    REAL next[4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      bool more = s + 1 < M && ok[j];
      next[j] = more ? (REAL)number(base[j * next_sequence + (m + step) * ld]) : (REAL)0;
      if (s + AHEAD < M && ok[j]) prefetch(base + j * next_sequence + (m + AHEAD * step) * ld);
    }
    if (is_row) {
      Four old = S[p][g][n];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (!ok[j]) continue;
        round_to(base[j * next_sequence + m * ld], old.at[j]);
        if (s == M - 1 && state && d == 0) {
          before_last[(h * B + b0 + 4 * g + j) * N + n] = old.at[j];
        }
      }
    }
    REAL sums[4][4] = {};
#pragma unroll
    for (int i = 0; i < QUARTER; i++) {
      Four q = S[p][g][4 * i + lane];
#pragma unroll
      for (int r = 0; r < 4; r++)
#pragma unroll
        for (int j = 0; j < 4; j++) sums[r][j] += A[r][i] * q.at[j];
    }
    // Two rows, then one, change hands for two, then one: lane l is left with the whole of row l.
    bool upper = lane & 2, odd = lane & 1;
    Four sum;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      REAL low = upper ? sums[2][j] : sums[0][j], high = upper ? sums[3][j] : sums[1][j];
      low += __shfl_xor_sync(~0u, upper ? sums[0][j] : sums[2][j], 2);
      high += __shfl_xor_sync(~0u, upper ? sums[1][j] : sums[3][j], 2);
      sum.at[j] = (odd ? high : low) + __shfl_xor_sync(~0u, odd ? low : high, 1) + now[j];
    }
    if (is_row) S[p ^ 1][g][n] = sum;
    __syncthreads();
    m += step;
#pragma unroll
    for (int j = 0; j < 4; j++) now[j] = next[j];
  }
  if (state && d == 0 && is_row) {
    Four last = S[p][g][n];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (ok[j]) state[(h * B + b0 + 4 * g + j) * N + n] = last.at[j];
    }
  }
}

// re, im (H, N/2). A thread for each of H·B·D·N/2 pairs.
extern "C" __global__ void scan_diagonal(const double* re, const double* im, VALUE* v, double* state,
                                         double* before_last, int H, int B, int M, int D, int flip) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  int n = i % HALF, d = i / HALF % D;
  long long sequence = i / HALF / D;
  if (sequence >= (long long)H * B) return;
  long long h = sequence / B, ld = (long long)D * N;
  REAL ar = (REAL)re[h * HALF + n], ai = (REAL)(flip ? -im[h * HALF + n] : im[h * HALF + n]);
  VALUE* x = v + sequence * M * ld + d * N + n;
  int back = d ^ flip, m = back ? M - 1 : 0, step = back ? -1 : 1;
  REAL sr = 0, si = 0;
  if (state && d == 0) {
    sr = (REAL)state[sequence * N + n];
    si = (REAL)state[sequence * N + HALF + n];
  }
  REAL vr[AHEAD], vi[AHEAD];
#pragma unroll
  for (int j = 0; j < AHEAD; j++) {
    VALUE* at = x + (m + j * step) * ld;
    vr[j] = j < M ? (REAL)number(at[0]) : (REAL)0;
    vi[j] = j < M ? (REAL)number(at[HALF]) : (REAL)0;
  }
  for (int s0 = 0; s0 < M; s0 += AHEAD) {
    REAL nr[AHEAD], ni[AHEAD];
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      VALUE* at = x + (m + (AHEAD + j) * step) * ld;
      bool more = s0 + AHEAD + j < M;
      nr[j] = more ? (REAL)number(at[0]) : (REAL)0;
      ni[j] = more ? (REAL)number(at[HALF]) : (REAL)0;
    }
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      int s = s0 + j;
      if (s >= M) break;
      if (s == M - 1 && state && d == 0) {
        before_last[sequence * N + n] = sr;
        before_last[sequence * N + HALF + n] = si;
      }
      VALUE* at = x + (m + j * step) * ld;
      round_to(at[0], sr);
      round_to(at[HALF], si);
      REAL r = ar * sr - ai * si + vr[j];
      si = ar * si + ai * sr + vi[j];
      sr = r;
    }
    m += AHEAD * step;
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      vr[j] = nr[j];
      vi[j] = ni[j];
    }
  }
  if (state && d == 0) {
    state[sequence * N + n] = sr;
    state[sequence * N + HALF + n] = si;
  }
}
