#include "packager/registry/http.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include <curl/curl.h>

#include "packager/registry/http_exchange.h"
#include "packager/registry/proxy.h"
#include "packager/registry/url.h"

namespace mrun {
namespace {

constexpr long k_most_connections = 8;     // of a session to one host
constexpr std::size_t k_most_at_once = 64; // exchanges of perform_all

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

} // namespace

std::string HttpReply::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

std::vector<std::string> HttpReply::all_headers(std::string_view lower_name) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : headers)
    if (name == lower_name) values.push_back(value);
  return values;
}

struct HttpSession::Impl {
  using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;

  struct Running {
    HttpExchange* exchange = nullptr;
    CURLcode ended = CURLE_OK;
  };

  explicit Impl(HttpOptions given) : options(std::move(given)) {
    for (CURLM* pool : {named.get(), strangers.get()}) {
      curl_multi_setopt(pool, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
      curl_multi_setopt(pool, CURLMOPT_MAX_HOST_CONNECTIONS, k_most_connections);
    }
  }

  // A connection that was made for a host which the user named must not serve a stranger's URL, which may not
  // lead there: two pools.
  CURLM* pool(const HttpRequest& request) const {
    return request.nearest == AddressReach::special ? named.get() : strangers.get();
  }

  Result<const TlsTrust*> trust_of(const Url& url) {
    if (url.scheme != "https") return nullptr;
    auto found = trusts.find(url.authority());
    if (found == trusts.end()) {
      MRUN_ASSIGN(TlsTrust trust, tls_trust_for(url.authority()));
      found = trusts.emplace(url.authority(), std::move(trust)).first;
    }
    return &found->second;
  }

  Result<void> begin(HttpExchange& exchange, const HttpRequest& request, const HttpSink* sink) {
    MRUN_ASSIGN(const Url url, Url::parse(request.url));
    MRUN_ASSIGN(const TlsTrust* trust, trust_of(url));
    return exchange.begin(request, sink, options, trust, proxy_for(url));
  }

  // Drives the exchanges of a pool to their ends.
  Result<void> drive(CURLM* pool, std::span<Running> exchanges) {
    std::size_t under_way = exchanges.size();
    while (true) {
      int running = 0, left = 0;
      if (curl_multi_perform(pool, &running) != CURLM_OK)
        return fail(ErrorCode::internal, "libcurl's event loop failed");
      while (const CURLMsg* message = curl_multi_info_read(pool, &left))
        for (Running& one : exchanges)
          if (message->msg == CURLMSG_DONE && message->easy_handle == one.exchange->handle()) {
            one.ended = message->data.result;
            --under_way;
          }
      if (under_way == 0) return {};
      curl_waitfd interrupt{options.interrupt_fd, CURL_WAIT_POLLIN, 0};
      const unsigned extra = options.interrupt_fd >= 0 ? 1 : 0;
      curl_multi_poll(pool, &interrupt, extra, 1000, nullptr);
      if (extra != 0 && interrupt.revents != 0) return fail(ErrorCode::interrupted_by_user, "interrupted");
    }
  }

  // Adds, drives and takes out again, whatever happens.
  Result<void> run(CURLM* pool, std::span<Running> exchanges) {
    for (const Running& one : exchanges)
      MRUN_CHECK(curl_multi_add_handle(pool, one.exchange->handle()) == CURLM_OK);
    Result<void> driven = drive(pool, exchanges);
    for (const Running& one : exchanges)
      curl_multi_remove_handle(pool, one.exchange->handle());
    return driven;
  }

  HttpOptions options;
  std::map<std::string, TlsTrust> trusts; // by authority
  Multi named{curl_multi_init(), &curl_multi_cleanup};
  Multi strangers{curl_multi_init(), &curl_multi_cleanup};
  HttpExchange single; // of perform(), so that its handle is made once; destroyed before the pools
};

HttpSession::HttpSession(HttpOptions options) {
  init_library();
  m_impl = std::make_unique<Impl>(std::move(options));
}
HttpSession::HttpSession(HttpSession&&) noexcept = default;
HttpSession& HttpSession::operator=(HttpSession&&) noexcept = default;
HttpSession::~HttpSession() = default;

int HttpSession::interrupt_fd() const {
  return m_impl->options.interrupt_fd;
}

Result<HttpReply> HttpSession::perform(const HttpRequest& request, const HttpSink& sink) {
  Impl::Running running{&m_impl->single};
  MRUN_TRY(m_impl->begin(m_impl->single, request, sink ? &sink : nullptr));
  MRUN_TRY(m_impl->run(m_impl->pool(request), {&running, 1}));
  return m_impl->single.take_result(running.ended);
}

std::vector<Result<HttpReply>> HttpSession::perform_all(std::span<const HttpRequest> requests) {
  std::vector<Result<HttpReply>> replies;
  for (std::size_t at = 0; at < requests.size(); at += k_most_at_once) {
    const auto batch = requests.subspan(at, std::min(k_most_at_once, requests.size() - at));
    std::deque<HttpExchange> exchanges(batch.size());
    std::vector<Impl::Running> running;
    Result<void> done;
    for (std::size_t i = 0; done && i < batch.size(); ++i) {
      done = m_impl->begin(exchanges[i], batch[i], nullptr);
      running.push_back({&exchanges[i]});
    }
    if (done) done = m_impl->run(m_impl->pool(batch.front()), running);
    for (std::size_t i = 0; i < batch.size(); ++i)
      replies.push_back(done ? exchanges[i].take_result(running[i].ended)
                             : Result<HttpReply>(tl::unexpected(done.error())));
  }
  return replies;
}

} // namespace mrun
