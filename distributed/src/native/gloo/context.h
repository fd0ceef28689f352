// What ProcessGroupGloo.hpp names of Gloo, whose own headers are not in libtorch's package. No object
// of these types is made here; libtorch brings the real ones.

#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = 0;
};

}  // namespace transport
}  // namespace gloo
