// How functions of C++ answer Rust: null, or a message made with `malloc`, which Rust frees.

#pragma once

#include <cstring>
#include <exception>

// Exceptions must not reach Rust.
template <typename Work>
char* guarded(Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}
