// Boost.Beast's request parser with a body that goes straight to where it belongs (a string or a BodySink).
#pragma once

#include <optional>
#include <string>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>

#include "daemon/http/router.h"

namespace mrun {

// Receives the decoded body of one request.
struct BodyTarget {
  std::string* text = nullptr; // when there is no sink
  BodySink* sink = nullptr;
  std::size_t max_bytes = 0;
  std::size_t received_bytes = 0;
  std::optional<Error> error; // why the parser was stopped

  bool take(std::string_view bytes);
};

struct TargetBody {
  using value_type = BodyTarget*;

  class reader {
   public:
    template<bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, value_type& target) : m_target(target) {}
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) { error = {}; }
    template<class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& error) {
      error = {};
      std::size_t size = 0;
      for (auto it = boost::asio::buffer_sequence_begin(buffers);
           it != boost::asio::buffer_sequence_end(buffers); ++it) {
        const boost::asio::const_buffer part = *it;
        if (!m_target->take({static_cast<const char*>(part.data()), part.size()})) {
          error = boost::beast::http::error::body_limit;
          return size;
        }
        size += part.size();
      }
      return size;
    }
    void finish(boost::beast::error_code& error) { error = {}; }

   private:
    value_type& m_target; // a reference: the parser makes its reader before the target is known
  };
};

using BodyParser = boost::beast::http::request_parser<TargetBody>;

} // namespace mrun
