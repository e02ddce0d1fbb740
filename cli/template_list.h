// The templates of `mrun init`, in the order in which they are shown. A folder of share/mrun/templates each.
#pragma once

#include <array>
#include <string_view>

namespace mrun::cli {

struct TemplateRow {
  std::string_view name;
  std::string_view says;  // one line
  std::string_view first; // what makes the model after `init`; "" when it is whole
};

inline constexpr std::string_view k_run_export =
    "python3 export.py    # in an environment with requirements.txt";
inline constexpr std::string_view k_run_cmake = "cmake -B build && cmake --build build";

inline constexpr std::array<TemplateRow, 6> k_templates = {{
    {"text-embedding", "a sentence embedding model, exported from PyTorch", k_run_export},
    {"image-classifier", "an image classifier, exported from PyTorch", k_run_export},
    {"torchscript", "a TorchScript model with a loop", k_run_export},
    {"torch-operators", "a PyTorch model with an operator of your own, for CPU and CUDA", k_run_cmake},
    {"cpp", "a predictor in C++, through one header", k_run_cmake},
    {"process", "a program in any language that answers JSON lines", ""},
}};

} // namespace mrun::cli
