// c10d's key-value store, at which processes find each other.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "guarded.h"
#include "pointers.h"

// All: null, or a message made with `malloc`.

// Serves a store at `host:port`, on the socket `listener` that is bound already where that is at least
// 0, or connects to one, for `timeout` milliseconds; keys begin with `prefix`.
extern "C" char* s4_store_new(
    const char* host, uint16_t port, bool serves, int listener, int64_t timeout, const char* prefix,
    StorePointer** store) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout);
    if (listener >= 0) {
      options.masterListenFd = listener;
    }
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    *store = new StorePointer(c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(tcp)));
  });
}

// The same store, where keys begin with `prefix` too.
extern "C" char* s4_store_under(StorePointer* store, const char* prefix, StorePointer** under) {
  return guarded([&] {
    *under = new StorePointer(c10::make_intrusive<c10d::PrefixStore>(prefix, *store));
  });
}

extern "C" char* s4_store_set(StorePointer* store, const char* key, const uint8_t* data, size_t size) {
  return guarded([&] { (*store)->set(key, std::vector<uint8_t>(data, data + size)); });
}

// Adds to the number at `key`, which begins with 0, and gives the sum.
extern "C" char* s4_store_add(StorePointer* store, const char* key, int64_t amount, int64_t* sum) {
  return guarded([&] { *sum = (*store)->add(key, amount); });
}

extern "C" char* s4_store_has(StorePointer* store, const char* key, bool* has) {
  return guarded([&] { *has = (*store)->check({key}); });
}

// The value at `key`, which must be there, handed to `take`.
extern "C" char* s4_store_get(
    StorePointer* store, const char* key, void* place,
    void (*take)(void* place, const uint8_t* data, size_t size)) {
  return guarded([&] {
    auto value = (*store)->get(key);
    take(place, value.data(), value.size());
  });
}

extern "C" void s4_store_delete(StorePointer* store) { delete store; }
