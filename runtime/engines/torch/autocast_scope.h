// Autocast for as long as the scope lives, on this thread.
#pragma once

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Autocast as it was before, whatever happens inside.
class AutocastScope {
 public:
  AutocastScope(c10::DeviceType device, bool enabled, c10::ScalarType type, bool cache)
      : m_device(device),
        m_enabled(at::autocast::is_autocast_enabled(device)),
        m_type(at::autocast::get_autocast_dtype(device)),
        m_cache(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, type);
    at::autocast::set_autocast_cache_enabled(cache);
    at::autocast::increment_nesting();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(m_device, m_enabled);
    at::autocast::set_autocast_dtype(m_device, m_type);
    at::autocast::set_autocast_cache_enabled(m_cache);
  }

 private:
  c10::DeviceType m_device;
  bool m_enabled;
  c10::ScalarType m_type;
  bool m_cache;
};

} // namespace mrun::torch_engine
