// CUDA C++ on a CPU: a block's threads are coroutines on one thread, which are resumed by turns until
// all have come as far as a barrier or a shuffle. Blocks run one after another.

// Compiled some hundred times: with few headers, and none of the large ones.
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
#define __align__(n) alignas(n)
#define __launch_bounds__(...)

struct Index {
  unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace host {

constexpr int kWarp = 32;
constexpr size_t kStack = 256 * 1024;

struct Thread {
  jmp_buf resume;
  ucontext_t start;
  char* stack;  // whose pages are there once they are touched
  bool started, done;
};

struct Meeting {  // of `members` threads, again and again
  int members = 0, arrived = 0;
  unsigned round = 0;
};

constexpr int kMost = 1024;  // threads of a block

static Thread threads[kMost];
static Meeting warps[kMost / kWarp];
static Meeting block;
static double slots[kMost];  // what the lanes of each warp hand to each other
static int current;
static jmp_buf scheduler;
static void (*body)(void*);
static void* body_argument;

inline void yield() {
  int me = current;
  if (_setjmp(threads[me].resume) == 0) _longjmp(scheduler, 1);
}

inline void meet(Meeting& meeting) {
  unsigned round = meeting.round;
  if (++meeting.arrived == meeting.members) {
    meeting.arrived = 0;
    ++meeting.round;
    return;
  }
  while (meeting.round == round) yield();
}

// A thread that has ended is waited for no longer.
inline void leave(Meeting& meeting) {
  if (--meeting.members > 0 && meeting.arrived == meeting.members) {
    meeting.arrived = 0;
    ++meeting.round;
  }
}

inline void entry() {
  body(body_argument);
  threads[current].done = true;
  leave(block);
  leave(warps[current / kWarp]);
  _longjmp(scheduler, 1);
}

inline void resume(int t) {
  current = t;
  threadIdx.x = t;
  Thread& thread = threads[t];
  if (_setjmp(scheduler) != 0) return;
  if (thread.started) _longjmp(thread.resume, 1);
  thread.started = true;
  getcontext(&thread.start);
  thread.start.uc_stack.ss_sp = thread.stack;
  thread.start.uc_stack.ss_size = kStack;
  thread.start.uc_link = nullptr;
  makecontext(&thread.start, entry, 0);
  setcontext(&thread.start);
}

inline void run_block(int count) {
  if (count > kMost) abort();
  for (Meeting& warp : warps) warp = Meeting();
  memset(slots, 0, sizeof slots);
  block = Meeting();
  block.members = count;
  for (int t = 0; t < count; ++t) {
    threads[t].started = threads[t].done = false;
    if (!threads[t].stack) threads[t].stack = (char*)malloc(kStack);
    ++warps[t / kWarp].members;
  }
  for (bool any = true; any;) {
    any = false;
    for (int t = 0; t < count; ++t) {
      if (!threads[t].done) {
        resume(t);
        any = true;
      }
    }
  }
}

template <typename T>
T shuffle(T x, int lane) {
  static_assert(sizeof(T) <= sizeof(double), "shuffles move at most eight bytes");
  int warp = current / kWarp;
  memcpy(&slots[current], &x, sizeof(T));
  meet(warps[warp]);
  T other;
  memcpy(&other, &slots[warp * kWarp + lane], sizeof(T));
  meet(warps[warp]);
  return other;
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}

}  // namespace host

inline void __syncthreads() { host::meet(host::block); }
inline void __syncwarp() { host::meet(host::warps[host::current / host::kWarp]); }
template <typename T>
T __shfl_xor_sync(unsigned, T x, int mask) {
  return host::shuffle(x, (host::current % host::kWarp) ^ mask);
}
template <typename T>
T __shfl_sync(unsigned, T x, int lane) {
  return host::shuffle(x, lane);
}
inline float __uint_as_float(unsigned bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  return bits;
}

#define FLOAT_AND_DOUBLE(name)         \
  extern "C" double name(double);      \
  extern "C" float name##f(float);     \
  inline float name(float x) { return name##f(x); }
FLOAT_AND_DOUBLE(cos)
FLOAT_AND_DOUBLE(cosh)
FLOAT_AND_DOUBLE(erf)
FLOAT_AND_DOUBLE(exp)
FLOAT_AND_DOUBLE(expm1)
FLOAT_AND_DOUBLE(fabs)
FLOAT_AND_DOUBLE(log1p)
FLOAT_AND_DOUBLE(sin)
FLOAT_AND_DOUBLE(sinh)
FLOAT_AND_DOUBLE(sqrt)
FLOAT_AND_DOUBLE(tanh)
inline void sincos(double x, double* s, double* c) { *s = sin(x); *c = cos(x); }
inline float rsqrtf(float x) { return 1.0f / sqrt(x); }
inline float __expf(float x) { return exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <typename T>
T min(T a, T b) { return a < b ? a : b; }
template <typename T>
T max(T a, T b) { return a > b ? a : b; }

template <typename... A>
void run(void (*kernel)(A...), long x, long y, long z, long threads, void** arguments) {
  struct Call {
    void (*kernel)(A...);
    void** arguments;
  } call{kernel, arguments};
  host::body_argument = &call;
  host::body = [](void* pointer) {
    Call* call = static_cast<Call*>(pointer);
    host::call(call->kernel, call->arguments, std::index_sequence_for<A...>());
  };
  blockDim = {(unsigned)threads, 1, 1};
  gridDim = {(unsigned)x, (unsigned)y, (unsigned)z};
  for (long k = 0; k < z; ++k)
    for (long j = 0; j < y; ++j)
      for (long i = 0; i < x; ++i) {
        blockIdx = {(unsigned)i, (unsigned)j, (unsigned)k};
        host::run_block((int)threads);
      }
}
