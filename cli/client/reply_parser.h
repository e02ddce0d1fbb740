// Beast's parser with the reply kept as plain strings. For clients that move the bytes themselves.
#pragma once

#include <string>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>

#include "cli/client/connection.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {

// Body bytes go to `body` in the order they come; the caller bounds what it keeps.
class ReplyParser : public boost::beast::http::basic_parser<false> {
 public:
  ReplyParser() {
    this->eager(true);
    this->header_limit(k_max_head_bytes);
    this->body_limit(boost::none);
  }
  HttpHead head;
  std::string body;

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { head.status = code; }
  void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code&) override {
    head.headers.emplace_back(lower_ascii({name.data(), name.size()}),
                              std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view text, error_code&) override {
    body.append(text.data(), text.size());
    return text.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view text, error_code&) override {
    body.append(text.data(), text.size());
    return text.size();
  }
  void on_finish_impl(error_code&) override {}
};

} // namespace mrun::cli
