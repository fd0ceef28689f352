// Counts and times the operations that libtorch dispatches, and loops and kernels of our own.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/function_schema.h>
#include <ATen/record_function.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "guarded.h"

namespace {

struct Cost {
  uint64_t calls = 0;
  // Of these, calls that compute, and not by other operations.
  uint64_t computations = 0;
  // Without the operations that it called.
  double seconds = 0;
};

// What one count has seen; threads of the autograd engine add to it as well.
std::mutex mutex;
std::map<std::string, Cost> costs;
at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;
// The CUDA device that is waited for before and after each operation; -1 for none.
int awaited = -1;

struct Operation {
  std::chrono::steady_clock::time_point start;
  // The time of operations that this one called, and whether one of them computes.
  double called = 0;
  bool computed = false;
};

// On this thread.
thread_local std::vector<Operation> under_way;

void wait() {
  if (awaited >= 0)
    c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeDevice(awaited);
}

// Allocations, and views that their schema calls results of their own.
constexpr std::string_view free_of_charge[] = {
    "aten::empty", "aten::new_empty", "aten::resize_", "aten::set_", "aten::_unsafe_view"};

// Whether an operation computes: not if its schema says that the result may be its input (views,
// `contiguous`, `to`: what these copy, they do by another operation).
bool computes(const c10::FunctionSchema& schema) {
  for (std::string_view name : free_of_charge)
    if (schema.name().rfind(name, 0) == 0) return false;
  for (const c10::Argument& result : schema.returns()) {
    const c10::AliasInfo* alias = result.alias_info();
    if (alias != nullptr && !alias->isWrite()) return false;
  }
  return true;
}

std::unique_ptr<at::ObserverContext> start(const at::RecordFunction&) {
  wait();
  under_way.push_back({std::chrono::steady_clock::now()});
  return nullptr;
}

void end(const at::RecordFunction& operation, at::ObserverContext*) {
  if (under_way.empty()) return; // began before the count
  wait();
  auto [start, called, computed] = under_way.back();
  under_way.pop_back();
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Nodes of the graph and what is our own have no schema.
  std::optional<c10::FunctionSchema> schema = operation.operator_schema();
  bool computes_itself = !computed && schema.has_value() && computes(*schema);
  {
    std::lock_guard<std::mutex> lock(mutex);
    Cost& cost = costs[schema.has_value() ? schema->name() : operation.name()];
    cost.calls += 1;
    cost.computations += computes_itself;
    cost.seconds += seconds - called;
  }
  if (!under_way.empty()) {
    under_way.back().called += seconds;
    under_way.back().computed |= computed || computes_itself;
  }
}

} // namespace

// Both: null, or a message made with `malloc`. One count at a time, ended on the thread that began
// it. Waits for the CUDA device `device` around each operation, unless that is -1.

extern "C" char* s4_dispatched_begin(int device) {
  return guarded([&] {
    costs.clear();
    under_way.clear();
    awaited = device;
    // The autograd engine takes this thread's callbacks along to its own threads.
    handle = at::addThreadLocalCallback(at::RecordFunctionCallback(start, end).scopes(
        {at::RecordScope::FUNCTION, at::RecordScope::USER_SCOPE}));
  });
}

// Calls `visit` for each operation.
extern "C" char* s4_dispatched_end(
    void* context,
    void (*visit)(
        void* context, const char* name, uint64_t calls, uint64_t computations, double seconds)) {
  return guarded([&] {
    at::removeCallback(handle);
    std::lock_guard<std::mutex> lock(mutex);
    for (const auto& [name, cost] : costs)
      visit(context, name.c_str(), cost.calls, cost.computations, cost.seconds);
  });
}

// Something of our own begins; null where nobody counts.
extern "C" void* s4_dispatched_ours(const char* name, size_t length) {
  auto operation = std::make_unique<at::RecordFunction>(at::RecordScope::USER_SCOPE);
  if (!operation->isActive()) return nullptr;
  operation->before(std::string(name, length));
  return operation.release();
}

extern "C" void s4_dispatched_ours_end(void* operation) {
  delete static_cast<at::RecordFunction*>(operation);
}
