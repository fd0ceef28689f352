// What a chunk of T steps needs of Ā = D - P Q, in float64, one block a channel and one warp a
// vector; lane i holds the real and imaginary parts of the pairs i, i + 32, ...
//
//   warp 0             columns Āᵗ b, t < T
//   warps 1 .. C       rows c Āᵗ, t <= T, and taps c Āᵗ b, t < T
//   the next R         q Āᵗ, t < T                        (both for Āᵀ of S4, whose low-rank
//   the next R         Dᵗ p, t < T, in falling order of t  part is -Σ Dᵗ P Q Ā^{T-1-t})
//   the last           Dᵀ
//
// N: real states. R: rank, 0 for a diagonal Ā. WARPS: of a block. VALUE: kind of columns, rows and taps.

#define HALF (N / 2)
#define K ((HALF + 31) / 32)
#define RANK (R > 0 ? R : 1)
#define AHEAD (K > 1 || sizeof(VALUE) > 4 ? 2 : 4)  // steps whose operands are loaded before they are needed

// A vector of N real coordinates in a warp's registers.
struct Vector {
  double re[K], im[K];
};

__device__ inline Vector zero() {
  Vector x;
#pragma unroll
  for (int k = 0; k < K; k++) x.re[k] = x.im[k] = 0;
  return x;
}

template <typename T>
__device__ inline Vector read(const T* x) {
  int lane = threadIdx.x % 32;
  Vector v = zero();
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    v.re[k] = number(x[n]);
    v.im[k] = number(x[HALF + n]);
  }
  return v;
}

template <typename T>
__device__ inline void write(T* x, const Vector& v) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    round_to(x[n], v.re[k]);
    round_to(x[HALF + n], v.im[k]);
  }
}

__device__ inline double dot(const Vector& x, const Vector& y) {
  double sum = 0;
#pragma unroll
  for (int k = 0; k < K; k++) sum += x.re[k] * y.re[k] + x.im[k] * y.im[k];
  return warp_sum(sum);
}

__device__ inline void add(Vector& x, double factor, const Vector& y) {
#pragma unroll
  for (int k = 0; k < K; k++) {
    x.re[k] += factor * y.re[k];
    x.im[k] += factor * y.im[k];
  }
}

// x -> d x - Σ left_r (right_r x); `rank` of the R terms are there.
struct Map {
  Vector d, left[RANK], right[RANK];
  int rank;
};

__device__ inline Vector rotate(const Vector& d, const Vector& x, double sign) {
  Vector y;
#pragma unroll
  for (int k = 0; k < K; k++) {
    double im = sign * d.im[k];
    y.re[k] = d.re[k] * x.re[k] - im * x.im[k];
    y.im[k] = d.re[k] * x.im[k] + im * x.re[k];
  }
  return y;
}

// Also keeps the products right_r x, which the way back needs again.
__device__ inline Vector apply(const Map& a, const Vector& x, double* products) {
  Vector y = rotate(a.d, x, 1);
#if R > 0
  if (a.rank > 0) {
#pragma unroll
    for (int r = 0; r < R; r++) {
      double product = dot(a.right[r], x);
      if (threadIdx.x % 32 == 0) products[r] = product;
      add(y, -product, a.left[r]);
    }
  }
#endif
  return y;
}

enum Role { COLUMN, ROW, LOW_ROW, LOW_COLUMN, POWER };

struct Part {
  Role role;
  int index;
};

__device__ inline Part part(int warp, int C) {
  if (warp == 0) return {COLUMN, 0};
  if (warp <= C) return {ROW, warp - 1};
  if (warp <= C + R) return {LOW_ROW, warp - 1 - C};
  if (warp <= C + 2 * R) return {LOW_COLUMN, warp - 1 - C - R};
  return {POWER, 0};
}

// Ā, Āᵀ for rows, or D alone.
__device__ inline Map map(Role role, const double* re, const double* im, const double* p,
                          const double* q, long long h) {
  Map a;
  bool transposed = role == ROW || role == LOW_ROW;
  int lane = threadIdx.x % 32;
  a.d = zero();
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    a.d.re[k] = re[h * HALF + n];
    a.d.im[k] = transposed ? -im[h * HALF + n] : im[h * HALF + n];
  }
  a.rank = role == LOW_COLUMN || role == POWER ? 0 : R;
#if R > 0
#pragma unroll
  for (int r = 0; r < R; r++) {
    a.left[r] = read((transposed ? q : p) + (h * R + r) * N);
    a.right[r] = read((transposed ? p : q) + (h * R + r) * N);
  }
#endif
  return a;
}

// columns (H, T, N), rows (C, H, T + 1, N), taps (C, H, T), low_rows and low_columns (H, R, T, N),
// products (H, 1 + C + R, T, R).
// power: for R > 0 the zeroed (H, N, N), which gets Dᵀ as a matrix; else (2, H, N/2).
extern "C" __global__ void __launch_bounds__(32 * WARPS) powers(const double* re, const double* im, const double* p,
                                  const double* q, const double* b, const double* c, VALUE* columns,
                                  VALUE* rows, VALUE* taps, double* low_rows, double* low_columns,
                                  double* products, double* power, int H, int C, int T) {
  long long h = blockIdx.x;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  Part me = part(warp, C);
  Map a = map(me.role, re, im, p, q, h);
  long long row = me.index * (long long)H + h;
  if (me.role == POWER) {
    Vector x = a.d;
    for (int t = 1; t < T; t++) x = rotate(a.d, x, 1);
#pragma unroll
    for (int k = 0; k < K; k++) {
      int n = lane + 32 * k;
      if (n >= HALF) continue;
      if (R > 0) {
        double* to = power + h * N * N;
        to[n * N + n] = to[(HALF + n) * N + HALF + n] = x.re[k];
        to[n * N + HALF + n] = -x.im[k];
        to[(HALF + n) * N + n] = x.im[k];
      } else {
        power[h * HALF + n] = x.re[k];
        power[((long long)H + h) * HALF + n] = x.im[k];
      }
    }
  } else {
    Vector x;
    VALUE* to = 0;
    double* low = 0;  // where they lie, rather than `to`
    int step = N;
    if (me.role == COLUMN) {
      x = read(b + h * N);
      to = columns + h * T * N;
    } else if (me.role == ROW) {
      x = read(c + row * N);
      to = rows + row * (T + 1) * N;
    } else if (me.role == LOW_ROW) {
      x = read(q + (h * R + me.index) * N);
      low = low_rows + (h * R + me.index) * T * N;
    } else {
      x = read(p + (h * R + me.index) * N);
      low = low_columns + ((h * R + me.index) * T + T - 1) * N;
      step = -N;
    }
    double* kept = products + (h * (1 + C + R) + warp) * T * R;
    for (int t = 0; t < T; t++, kept += R) {
      if (low) {
        write(low, x);
        low += step;
      } else {
        write(to, x);
        to += step;
      }
      x = apply(a, x, kept);
    }
    if (me.role == ROW) write(to, x);
  }
  // Off the warps' way from step to step: the columns are there, for all threads of the block.
  __syncthreads();
  for (int i = threadIdx.x; i < C * T; i += blockDim.x) {
    const VALUE* column = columns + (h * T + i % T) * N;
    long long output = (long long)(i / T) * H + h;
    double sum = 0;
    for (int n = 0; n < N; n++) sum += c[output * N + n] * number(column[n]);
    round_to(taps[output * T + i % T], sum);
  }
}

// Sums of gradients over a warp's steps, for its own map.
struct Sums {
  Vector d, left[RANK], right[RANK], in;
};

__device__ inline Vector step_back(const Map& a, const Vector& x, const double* products,
                                   const Vector& of_next, const Vector& of_x, Sums& sums) {
#pragma unroll
  for (int k = 0; k < K; k++) {
    sums.d.re[k] += of_next.re[k] * x.re[k] + of_next.im[k] * x.im[k];
    sums.d.im[k] += of_next.im[k] * x.re[k] - of_next.re[k] * x.im[k];
  }
  Vector y = rotate(a.d, of_next, -1);
  add(y, 1, of_x);
#if R > 0
  if (a.rank > 0) {
#pragma unroll
    for (int r = 0; r < R; r++) {
      double by_left = dot(a.left[r], of_next);
      add(sums.left[r], -products[r], of_next);
      add(sums.right[r], -by_left, x);
      add(y, -by_left, a.right[r]);
    }
  }
#endif
  return y;
}

// The state of step t and the gradient that comes to it from outside.
struct Operands {
  Vector x, g;
  double tap, products[RANK];
};

template <typename T>
__device__ inline Operands operands(const T* x, const T* g, const VALUE* taps,
                                    const double* products, int t, int limit, int stride) {
  Operands o;
  o.tap = 0;
#pragma unroll
  for (int r = 0; r < R; r++) o.products[r] = products && t >= 0 && t < limit ? products[t * R + r] : 0;
  if (t < 0) {
    o.x = o.g = zero();
    return o;
  }
  o.x = read(x + (long long)t * stride);
  o.g = read(g + (long long)t * stride);
  if (taps && t < limit) o.tap = number(taps[t]);
  return o;
}

// Through all steps from `last` down to 0; gives the gradient of the first state. With taps, their
// gradients add to those of the states along `in`, and to that of `in` along the states.
template <typename T>
__device__ inline Vector run_back(const Map& a, const T* x, const T* g, const VALUE* taps,
                                  const double* products, int last, int limit, int stride,
                                  const Vector& in, Sums& sums) {
  Vector lambda = zero();
  Operands now[AHEAD], next[AHEAD];
#pragma unroll
  for (int j = 0; j < AHEAD; j++) now[j] = operands(x, g, taps, products, last - j, limit, stride);
  for (int t0 = last; t0 >= 0; t0 -= AHEAD) {
#pragma unroll
    for (int j = 0; j < AHEAD; j++)
      next[j] = operands(x, g, taps, products, t0 - AHEAD - j, limit, stride);
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      Vector of_x = now[j].g;
      add(of_x, now[j].tap, in);
      add(sums.in, now[j].tap, now[j].x);
      if (t0 - j >= 0) lambda = step_back(a, now[j].x, now[j].products, lambda, of_x, sums);
    }
#pragma unroll
    for (int j = 0; j < AHEAD; j++) now[j] = next[j];
  }
  return lambda;
}

__device__ inline void accumulate(double* to, const Vector& v, double sign_im) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    to[n] += v.re[k];
    to[HALF + n] += sign_im * v.im[k];
  }
}

// Gradients of re, im (H, N/2), p, q (H, R, N), b (H, N), c (C, H, N) from those of all results. For
// R > 0, that of the power is the one of the whole Āᵀ.
extern "C" __global__ void __launch_bounds__(32 * WARPS) powers_back(
    const double* re, const double* im, const double* p, const double* q, const double* b,
    const double* c, const VALUE* columns, const VALUE* rows, const double* low_rows,
    const double* low_columns, const double* products, const VALUE* g_columns, const VALUE* g_rows, const VALUE* g_taps,
    const double* g_low_rows, const double* g_low_columns, const double* g_power, double* of_re,
    double* of_im, double* of_p, double* of_q, double* of_b, double* of_c, int H, int C, int T) {
  __shared__ double sum_d[N], sum_p[RANK * N], sum_q[RANK * N], sum_b[N];
  long long h = blockIdx.x;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < N; i += blockDim.x) sum_d[i] = sum_b[i] = 0;
  for (int i = threadIdx.x; i < RANK * N; i += blockDim.x) sum_p[i] = sum_q[i] = 0;

  Part me = part(warp, C);
  Map a = map(me.role, re, im, p, q, h);
  Sums sums;
  sums.d = sums.in = zero();
#pragma unroll
  for (int r = 0; r < RANK; r++) sums.left[r] = sums.right[r] = zero();
  Vector first = zero(), in = read(b + h * N);
  const double* kept = products + (h * (1 + C + R) + warp) * T * R;
  if (me.role == COLUMN) {
    first = run_back(a, columns + h * T * N, g_columns + h * T * N, (const VALUE*)0, kept,
                     T - 1, T, N, in, sums);
  } else if (me.role == ROW) {
    long long row = me.index * (long long)H + h, at = row * (T + 1) * N;
    first = run_back(a, rows + at, g_rows + at, g_taps + row * T, kept, T, T, N, in, sums);
    write(of_c + row * N, first);
  } else if (me.role == LOW_ROW) {
    long long at = (h * R + me.index) * T * N;
    first = run_back(a, low_rows + at, g_low_rows + at, (const VALUE*)0, kept, T - 1, T, N,
                     in, sums);
  } else if (me.role == LOW_COLUMN) {
    // They lie in falling order.
    long long at = ((h * R + me.index) * T + T - 1) * N;
    first = run_back(a, low_columns + at, g_low_columns + at, (const VALUE*)0,
                     (const double*)0, T - 1, T, -N, in, sums);
  } else {
    // d(Dᵀ) = T Dᵀ⁻¹ dD
    Vector x = zero(), g = zero();
#pragma unroll
    for (int k = 0; k < K; k++) {
      int n = lane + 32 * k;
      x.re[k] = T;
      if (n >= HALF) continue;
      if (R > 0) {
        const double* from = g_power + h * N * N;
        g.re[k] = from[n * N + n] + from[(HALF + n) * N + HALF + n];
        g.im[k] = from[(HALF + n) * N + n] - from[n * N + HALF + n];
      } else {
        g.re[k] = g_power[h * HALF + n];
        g.im[k] = g_power[((long long)H + h) * HALF + n];
      }
    }
    for (int t = 1; t < T; t++) x = rotate(a.d, x, 1);
    sums.d = rotate(x, g, -1);
  }

  // One warp after another, so that the sums do not depend on chance.
  for (int w = 0; w < (int)blockDim.x / 32; w++) {
    __syncthreads();
    if (w != warp) continue;
    bool transposed = me.role == ROW || me.role == LOW_ROW;
    accumulate(sum_d, sums.d, transposed ? -1 : 1);
    if (me.role == COLUMN) accumulate(sum_b, first, 1);
    if (me.role == ROW) accumulate(sum_b, sums.in, 1);
#if R > 0
    if (me.role == LOW_ROW) accumulate(sum_q + me.index * N, first, 1);
    if (me.role == LOW_COLUMN) accumulate(sum_p + me.index * N, first, 1);
    if (a.rank > 0) {
#pragma unroll
      for (int r = 0; r < R; r++) {
        accumulate((transposed ? sum_q : sum_p) + r * N, sums.left[r], 1);
        accumulate((transposed ? sum_p : sum_q) + r * N, sums.right[r], 1);
      }
    }
#endif
  }
  __syncthreads();
  for (int i = threadIdx.x; i < HALF; i += blockDim.x) {
    of_re[h * HALF + i] = sum_d[i];
    of_im[h * HALF + i] = sum_d[HALF + i];
  }
  for (int i = threadIdx.x; i < N; i += blockDim.x) of_b[h * N + i] = sum_b[i];
  if (R > 0) {
    for (int i = threadIdx.x; i < R * N; i += blockDim.x) {
      of_p[h * R * N + i] = sum_p[i];
      of_q[h * R * N + i] = sum_q[i];
    }
  }
}
