// From the trained numbers of S4 and S4D to the discrete system, one warp a channel, and back.
// Lane i holds the pairs i, i + 32, ... of N/2. Equations: `discrete.rs`; in complex numbers, with
// β = Δb and D = (1 - ΔΛ/2)⁻¹,
//
//   S4:          U = ΔP/2,  W = 2P,  S = 1 + Re(Wᴴ D U),  Q = S⁻¹ (D̄ W)ᵀ,
//                Ā = (2D - 1) - 2DU Q,   b̄ = Dβ - DU (Q β)
//   S4D, ZOH:    Ā = exp(ΔΛ),  b̄ = (Ā - 1)/Λ b;   bilinear: Ā = 2D - 1,  b̄ = Dβ
//
// The gradient of a complex number is that of its real part plus i times that of its imaginary part.
//
// N: real states. R: rank, 0 for S4D. VALUE: kind of the parameters. ZOH: 1 for S4D by zero-order
// hold. EACH: 1 with a step of its own for each pair. DT, RE, IM: transforms of Δ, -Re Λ, -Im Λ.
// FAST: 1 with Δ under a further asinh.

#define HALF (N / 2)
#define K ((HALF + 31) / 32)
#define RANK (R > 0 ? R : 1)

struct Complex {
  double re, im;
};
__device__ inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
__device__ inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
__device__ inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
__device__ inline Complex operator*(double s, Complex a) { return {s * a.re, s * a.im}; }
__device__ inline Complex conj(Complex a) { return {a.re, -a.im}; }
__device__ inline Complex inverse(Complex a) {
  double s = 1 / (a.re * a.re + a.im * a.im);
  return {s * a.re, -s * a.im};
}
// Re(ā b): the product of two vectors of real coordinates.
__device__ inline double dot(Complex a, Complex b) { return a.re * b.re + a.im * b.im; }

// The quantity that a stored number stands for, and its derivative.
struct Quantity {
  double value, slope;
};
__device__ inline Quantity quantity(int transform, double x) {
  switch (transform) {
    case 1: { double e = exp(x); return {e, e}; }
    case 2: return {(x > 0 ? x : 0) + 1e-4, x > 0 ? 1.0 : 0.0};
    case 3: { double s = 1 / (1 + exp(-x)); return {s, s * (1 - s)}; }
    case 4: return x > 20 ? Quantity{x, 1} : Quantity{log1p(exp(x)), 1 / (1 + exp(-x))};
    default: return {x, 1};
  }
}

struct Parameters {
  const VALUE *dt, *a_real, *a_imag, *b, *c, *p;
};

// One channel's continuous system and what its discretisation needs.
struct System {
  Quantity dt[K], re[K], im[K];
  double fast[K];
  Complex lambda[K], b[K], beta[K], d[K], p[RANK][K], du[RANK][K], q[RANK][K], wd[RANK][K];
  double inverse_s[RANK][RANK], qb[RANK];
};

__device__ inline Complex pair(const VALUE* x, long long i) {
  return {number(x[2 * i]), number(x[2 * i + 1])};
}

__device__ inline void load(System& s, const Parameters& x, int h, int systems, double rate) {
  int lane = threadIdx.x % 32, shared = h % systems;
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k, at = shared * HALF + n;
    s.lambda[k] = s.b[k] = s.beta[k] = s.d[k] = {0, 0};
    s.dt[k] = s.re[k] = s.im[k] = {0, 0};
    s.fast[k] = 1;
#pragma unroll
    for (int r = 0; r < RANK; r++) s.p[r][k] = s.du[r][k] = s.q[r][k] = s.wd[r][k] = {0, 0};
    if (n >= HALF) continue;
    double stored = number(x.dt[EACH ? h * HALF + n : h]);
    if (FAST) {
      s.fast[k] = cosh(stored);
      stored = sinh(stored);
    }
    s.dt[k] = quantity(DT, stored);
    s.dt[k] = {rate * s.dt[k].value, rate * s.dt[k].slope * s.fast[k]};
    s.re[k] = quantity(RE, number(x.a_real[at]));
    s.im[k] = quantity(IM, number(x.a_imag[at]));
    s.lambda[k] = {-s.re[k].value, -s.im[k].value};
    s.b[k] = pair(x.b, at);
    s.beta[k] = s.dt[k].value * s.b[k];
    if (!ZOH) s.d[k] = inverse(Complex{1, 0} - 0.5 * s.dt[k].value * s.lambda[k]);
#if R > 0
#pragma unroll
    for (int r = 0; r < R; r++) {
      s.p[r][k] = pair(x.p, ((long long)r * systems + shared) * HALF + n);
      s.du[r][k] = s.d[k] * (0.5 * s.dt[k].value * s.p[r][k]);
      s.wd[r][k] = conj(s.d[k]) * (2 * s.p[r][k]);
    }
#endif
  }
#if R > 0
  double small[R][R];
#pragma unroll
  for (int i = 0; i < R; i++)
#pragma unroll
    for (int j = 0; j < R; j++) {
      double sum = 0;
#pragma unroll
      for (int k = 0; k < K; k++) sum += dot(2 * s.p[i][k], s.du[j][k]);
      small[i][j] = warp_sum(sum) + (i == j);
      s.inverse_s[i][j] = i == j;
    }
  // Gauss-Jordan. Without pivots: with Re Λ < 0 the matrix has a positive definite real part.
#pragma unroll
  for (int i = 0; i < R; i++) {
    double scale = 1 / small[i][i];
#pragma unroll
    for (int j = 0; j < R; j++) {
      small[i][j] *= scale;
      s.inverse_s[i][j] *= scale;
    }
#pragma unroll
    for (int l = 0; l < R; l++) {
      if (l == i) continue;
      double factor = small[l][i];
#pragma unroll
      for (int j = 0; j < R; j++) {
        small[l][j] -= factor * small[i][j];
        s.inverse_s[l][j] -= factor * s.inverse_s[i][j];
      }
    }
  }
#pragma unroll
  for (int r = 0; r < R; r++) {
    double sum = 0;
#pragma unroll
    for (int k = 0; k < K; k++) {
#pragma unroll
      for (int j = 0; j < R; j++) s.q[r][k] = s.q[r][k] + s.inverse_s[r][j] * s.wd[j][k];
      sum += dot(s.q[r][k], s.beta[k]);
    }
    s.qb[r] = warp_sum(sum);
  }
#endif
}

__device__ inline void put(double* x, int n, Complex z) {
  x[n] = z.re;
  x[HALF + n] = z.im;
}
__device__ inline Complex get(const double* x, int n) { return {x[n], x[HALF + n]}; }

// Ā = D - P Q in real coordinates: re, im (H, N/2), p and q (H, R, N); b (H, N), c (C, H, N).
extern "C" __global__ void discretise(const VALUE* dt, const VALUE* a_real, const VALUE* a_imag,
                                      const VALUE* b, const VALUE* c, const VALUE* p, double* re,
                                      double* im, double* to_p, double* to_q, double* to_b,
                                      double* to_c, int H, int S, int C, double rate) {
  int h = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (h >= H) return;
  System s;
  load(s, {dt, a_real, a_imag, b, c, p}, h, S, rate);
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    Complex a, in;
    if (ZOH) {
      Complex z = s.dt[k].value * s.lambda[k];
      double e = exp(z.re), si, co;
      sincos(z.im, &si, &co);
      a = {e * co, e * si};
      in = (a - Complex{1, 0}) * inverse(s.lambda[k]) * s.b[k];
    } else {
      a = 2 * s.d[k] - Complex{1, 0};
      in = s.d[k] * s.beta[k];
    }
#if R > 0
#pragma unroll
    for (int r = 0; r < R; r++) {
      in = in - s.qb[r] * s.du[r][k];
      put(to_p + ((long long)h * R + r) * N, n, 2 * s.du[r][k]);
      put(to_q + ((long long)h * R + r) * N, n, s.q[r][k]);
    }
#endif
    re[(long long)h * HALF + n] = a.re;
    im[(long long)h * HALF + n] = a.im;
    put(to_b + (long long)h * N, n, in);
    for (int i = 0; i < C; i++) {
      long long row = (long long)i * H + h;
      put(to_c + row * N, n, 2 * conj(pair(c, row * HALF + n)));
    }
  }
}

__device__ inline void put_pair(VALUE* x, long long i, Complex z) {
  round_to(x[2 * i], z.re);
  round_to(x[2 * i + 1], z.im);
}

// Gradients of the parameters, each for every channel (H in place of S): of_dt (H, 1) or (H, N/2),
// of_a_real and of_a_imag (H, N/2), of_b (H, N/2, 2), of_c (C, H, N/2, 2), of_p (R, H, N/2, 2).
extern "C" __global__ void discretise_back(
    const VALUE* dt, const VALUE* a_real, const VALUE* a_imag, const VALUE* b, const VALUE* c,
    const VALUE* p, const double* g_re, const double* g_im, const double* g_p, const double* g_q,
    const double* g_b, const double* g_c, VALUE* of_dt, VALUE* of_a_real, VALUE* of_a_imag,
    VALUE* of_b, VALUE* of_c, VALUE* of_p, int H, int S, int C, double rate) {
  int h = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (h >= H) return;
  System s;
  load(s, {dt, a_real, a_imag, b, c, p}, h, S, rate);
  Complex of_in[K], of_beta[K], of_d[K];
  double of_step[K];
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    of_in[k] = of_beta[k] = of_d[k] = {0, 0};
    of_step[k] = 0;
    if (n >= HALF) continue;
    of_in[k] = get(g_b + (long long)h * N, n);
    of_beta[k] = conj(s.d[k]) * of_in[k];
    of_d[k] = conj(s.beta[k]) * of_in[k];
    for (int i = 0; i < C; i++) {
      long long row = (long long)i * H + h;
      put_pair(of_c, row * HALF + n, 2 * conj(get(g_c + row * N, n)));
    }
  }
#if R > 0
  Complex of_du[R][K], of_q[R][K], of_w[R][K];
#pragma unroll
  for (int r = 0; r < R; r++) {
    double of_qb = 0;
#pragma unroll
    for (int k = 0; k < K; k++) of_qb -= dot(s.du[r][k], of_in[k]);
    of_qb = warp_sum(of_qb);
#pragma unroll
    for (int k = 0; k < K; k++) {
      int n = lane + 32 * k;
      long long at = ((long long)h * R + r) * N;
      Complex zero = {0, 0};
      of_du[r][k] = n < HALF ? 2 * get(g_p + at, n) - s.qb[r] * of_in[k] : zero;
      of_q[r][k] = n < HALF ? get(g_q + at, n) + of_qb * s.beta[k] : zero;
      of_beta[k] = of_beta[k] + of_qb * s.q[r][k];
      of_w[r][k] = zero;
    }
  }
  // Q = S⁻¹ (D̄ W)ᵀ
#pragma unroll
  for (int k = 0; k < K; k++) {
    Complex of_wd[R];
#pragma unroll
    for (int i = 0; i < R; i++) {
      of_wd[i] = {0, 0};
#pragma unroll
      for (int j = 0; j < R; j++) of_wd[i] = of_wd[i] + s.inverse_s[j][i] * of_q[j][k];
      of_w[i][k] = of_w[i][k] + s.d[k] * of_wd[i];
      of_d[k] = of_d[k] + 2 * s.p[i][k] * conj(of_wd[i]);
    }
#pragma unroll
    for (int i = 0; i < R; i++) of_q[i][k] = of_wd[i];
  }
#pragma unroll
  for (int i = 0; i < R; i++)
#pragma unroll
    for (int j = 0; j < R; j++) {
      double of_s = 0;
#pragma unroll
      for (int k = 0; k < K; k++) of_s -= dot(of_q[i][k], s.q[j][k]);
      of_s = warp_sum(of_s);
#pragma unroll
      for (int k = 0; k < K; k++) {
        of_w[i][k] = of_w[i][k] + of_s * s.du[j][k];
        of_du[j][k] = of_du[j][k] + of_s * (2 * s.p[i][k]);
      }
    }
#endif
  double tied = 0;
#pragma unroll
  for (int k = 0; k < K; k++) {
    int n = lane + 32 * k;
    if (n >= HALF) continue;
    long long at = (long long)h * HALF + n;
    double step = s.dt[k].value;
    Complex of_a = {g_re[at], g_im[at]}, of_lambda, of_input;
    if (ZOH) {
      Complex z = step * s.lambda[k];
      double e = exp(z.re), si, co;
      sincos(z.im, &si, &co);
      Complex a = {e * co, e * si}, reciprocal = inverse(s.lambda[k]);
      Complex w = (a - Complex{1, 0}) * reciprocal;
      Complex of_weight = conj(s.b[k]) * of_in[k];
      of_input = conj(w) * of_in[k];
      of_a = of_a + conj(reciprocal) * of_weight;
      Complex of_z = conj(a) * of_a;
      of_lambda = step * of_z - conj(w * reciprocal) * of_weight;
      of_step[k] = dot(s.lambda[k], of_z);
    } else {
      of_d[k] = of_d[k] + 2 * of_a;
      double of_half = 0;
#if R > 0
#pragma unroll
      for (int r = 0; r < R; r++) {
        Complex u = 0.5 * step * s.p[r][k];
        of_d[k] = of_d[k] + conj(u) * of_du[r][k];
        Complex of_u = conj(s.d[k]) * of_du[r][k];
        of_half += dot(s.p[r][k], of_u);
        Complex of_low = 0.5 * step * of_u + 2 * of_w[r][k];
        put_pair(of_p, ((long long)r * H + h) * HALF + n, of_low);
      }
#endif
      Complex of_z = -1 * (conj(s.d[k] * s.d[k]) * of_d[k]);
      of_lambda = -0.5 * step * of_z;
      of_half -= dot(s.lambda[k], of_z);
      of_input = step * of_beta[k];
      of_step[k] = dot(s.b[k], of_beta[k]) + 0.5 * of_half;
    }
    put_pair(of_b, at, of_input);
    round_to(of_a_real[at], -of_lambda.re * s.re[k].slope);
    round_to(of_a_imag[at], -of_lambda.im * s.im[k].slope);
    of_step[k] *= s.dt[k].slope;
    if (EACH) round_to(of_dt[at], of_step[k]);
    tied += of_step[k];
  }
  if (!EACH) {
    tied = warp_sum(tied);
    if (lane == 0) round_to(of_dt[h], tied);
  }
}
