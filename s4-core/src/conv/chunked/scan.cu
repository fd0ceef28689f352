// States in front of the chunks, in place: v (H, B, M, D·N) holds what each chunk adds, and
// s' = A s + v. Direction 0 runs from the first chunk to the last, direction 1 back; for gradients,
// `flip` turns both round and transposes A. `state` (H, B, N), if given, is where direction 0 starts
// from, and gets where it ends; `before_last` gets its state in front of the last chunk.
//
// scan_dense: block (h, d, z) has channel h, direction d, the G sequences from z·G on. SPLIT threads
// side by side share a row of A, which they keep in registers, and four sequences; all loops over
// arrays have constant bounds, for an array that is indexed otherwise goes to slow memory.
// scan_diagonal: a thread a pair of states.
//
// N: real states. GROUPS: of four sequences in a block. SPLIT: 1, 2 or 4. VALUE: kind of v. REAL: kind
// of the state.

#define HALF (N / 2)
#define ROWS ((N + 31) / 32 * 32)
#define PART ((N + SPLIT - 1) / SPLIT)
#define G (4 * GROUPS)
#define AHEAD 8  // steps between the wish for a value and its use

struct __align__(4 * sizeof(REAL)) Four {
  REAL at[4];
};

// a (H, N, N). Threads: ROWS · SPLIT · GROUPS.
extern "C" __global__ void __launch_bounds__(ROWS * SPLIT * GROUPS)
    scan_dense(const double* a, VALUE* v, double* state, double* before_last, int B, int M, int D,
               int flip) {
  __shared__ Four S[2][PART * SPLIT * GROUPS];
  long long h = blockIdx.x;
  int d = blockIdx.y, b0 = blockIdx.z * G, share = threadIdx.x % SPLIT;
  int n = threadIdx.x / SPLIT % ROWS, g = threadIdx.x / (SPLIT * ROWS);
  bool is_row = n < N;
  long long ld = (long long)D * N;
  REAL A[PART];  // every SPLIT-th entry of the row
#pragma unroll
  for (int i = 0; i < PART; i++) {
    int k = SPLIT * i + share;
    A[i] = is_row && k < N ? (REAL)a[(h * N + (flip ? k : n)) * N + (flip ? n : k)] : (REAL)0;
  }
  for (int i = threadIdx.x; i < 2 * PART * SPLIT * GROUPS; i += blockDim.x) {
    (&S[0][0])[i] = Four{{0, 0, 0, 0}};
  }
  __syncthreads();
  // Of the four sequences, each of the threads that share a row reads and writes some.
  VALUE* base = v + (h * B + b0 + 4 * g) * M * ld + d * N + n;
  long long next_sequence = M * ld;
  int back = d ^ flip, m = back ? M - 1 : 0, step = back ? -1 : 1;
  bool mine[4];
  REAL now[4];
  Four first;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    bool ok = is_row && b0 + 4 * g + j < B;
    mine[j] = ok && j % SPLIT == share;
    now[j] = mine[j] ? (REAL)number(base[j * next_sequence + m * ld]) : (REAL)0;
    first.at[j] = ok && state && d == 0 ? (REAL)state[(h * B + b0 + 4 * g + j) * N + n] : (REAL)0;
  }
  if (is_row && share == 0) S[0][n * GROUPS + g] = first;
  __syncthreads();
  int p = 0;
  for (int s = 0; s < M; s++, p ^= 1) {
    REAL next[4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      bool more = s + 1 < M && mine[j];
      next[j] = more ? (REAL)number(base[j * next_sequence + (m + step) * ld]) : (REAL)0;
      if (s + AHEAD < M && mine[j]) prefetch(base + j * next_sequence + (m + AHEAD * step) * ld);
    }
    Four sum;
    if (is_row) {
      Four old = S[p][n * GROUPS + g];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        sum.at[j] = now[j];
        if (!mine[j]) continue;
        round_to(base[j * next_sequence + m * ld], old.at[j]);
        if (s == M - 1 && state && d == 0) {
          before_last[(h * B + b0 + 4 * g + j) * N + n] = old.at[j];
        }
      }
    } else {
      sum = Four{{0, 0, 0, 0}};
    }
#pragma unroll
    for (int i = 0; i < PART; i++) {
      Four q = S[p][(SPLIT * i + share) * GROUPS + g];
#pragma unroll
      for (int j = 0; j < 4; j++) sum.at[j] += A[i] * q.at[j];
    }
#pragma unroll
    for (int k = 1; k < SPLIT; k *= 2) {
#pragma unroll
      for (int j = 0; j < 4; j++) sum.at[j] += __shfl_xor_sync(~0u, sum.at[j], k);
    }
    if (is_row && share == 0) S[p ^ 1][n * GROUPS + g] = sum;
    __syncthreads();
    m += step;
#pragma unroll
    for (int j = 0; j < 4; j++) now[j] = next[j];
  }
  if (state && d == 0 && is_row) {
    Four last = S[p][n * GROUPS + g];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (mine[j]) state[(h * B + b0 + 4 * g + j) * N + n] = last.at[j];
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
