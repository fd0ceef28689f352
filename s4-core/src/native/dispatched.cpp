// Counts the operations that libtorch dispatches.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/function_schema.h>
#include <ATen/record_function.h>

#include "guarded.h"

namespace {

// What one count has seen; threads of the autograd engine add to it as well.
std::mutex mutex;
std::map<std::string, uint64_t> counts;
at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;

// For each operation under way on this thread: whether one that it called was counted.
thread_local std::vector<bool> under_way;

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
  under_way.push_back(false);
  return nullptr;
}

void end(const at::RecordFunction& operation, at::ObserverContext*) {
  if (under_way.empty()) return; // began before the count
  bool counted = under_way.back();
  under_way.pop_back();
  if (!counted) {
    // Nodes of the graph have no schema.
    std::optional<c10::FunctionSchema> schema = operation.operator_schema();
    if (schema.has_value() && computes(*schema)) {
      std::lock_guard<std::mutex> lock(mutex);
      counts[schema->name()] += 1;
      counted = true;
    }
  }
  if (counted && !under_way.empty()) under_way.back() = true;
}

} // namespace

// Both: null, or a message made with `malloc`. One count at a time, ended on the thread that began
// it.

extern "C" char* s4_dispatched_begin() {
  return guarded([&] {
    counts.clear();
    under_way.clear();
    // The autograd engine takes this thread's callbacks along to its own threads.
    handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(start, end).scopes({at::RecordScope::FUNCTION}));
  });
}

// Calls `visit` for each operation that was counted.
extern "C" char* s4_dispatched_end(
    void* context, void (*visit)(void* context, const char* name, uint64_t count)) {
  return guarded([&] {
    at::removeCallback(handle);
    std::lock_guard<std::mutex> lock(mutex);
    for (const auto& [name, count] : counts) visit(context, name.c_str(), count);
  });
}
