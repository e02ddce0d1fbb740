// Where what a prediction says goes: frames for the daemon, or nowhere for a warm-up.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "common/json.h"

namespace mrun {

class Sink {
 public:
  virtual ~Sink() = default;
  // Any thread. Error output_limit: the payload can't be carried. A daemon that is gone ends the process.
  virtual Result<void> send(const Json& header, std::string_view payload) = 0;
};

class FrameSink : public Sink {
 public:
  // `socket` stays the caller's and is blocking: a slow daemon slows the predictor down.
  explicit FrameSink(int socket) : m_socket(socket) {}
  Result<void> send(const Json& header, std::string_view payload) override;

 private:
  int m_socket;
};

class NullSink : public Sink {
 public:
  Result<void> send(const Json&, std::string_view) override { return {}; }
};

} // namespace mrun
