// The `shape` option of the steps that read tensors from outside: what the graph expects, -1 for any size.
#pragma once

#include <fmt/format.h>

#include "runtime/steps/options.h"

namespace mrun {

class ShapeCheck {
 public:
  static Result<ShapeCheck> make(const OptionReader& reader) {
    ShapeCheck check;
    if (reader.has("shape")) {
      MRUN_ASSIGN(check.m_shape, reader.integers("shape"));
      check.m_given = true;
    }
    return check;
  }

  // `code`: the error when the tensor does not fit.
  Result<void> check(const Tensor& tensor, ErrorCode code, std::string_view what) const {
    if (!m_given) return {};
    bool fits = m_shape.size() == tensor.shape().size();
    for (std::size_t i = 0; fits && i < m_shape.size(); ++i)
      fits = m_shape[i] == -1 || m_shape[i] == tensor.shape()[i];
    if (fits) return {};
    return fail(code, fmt::format("`{}` has shape {}, the model takes {}", what, shape_text(tensor.shape()),
                                  shape_text(m_shape)));
  }

 private:
  bool m_given = false;
  std::vector<std::int64_t> m_shape;
};

} // namespace mrun
