// Prints the operators that LibTorch has, in the form of operator_table.h. Runs at build time only.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/version.h>

int main() {
  std::vector<std::string> lines;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames())
    if (c10::Dispatcher::singleton().findSchema(name).has_value())
      lines.push_back(name.overload_name.empty() ? name.name : name.name + "." + name.overload_name);
  std::sort(lines.begin(), lines.end());
  std::string text = "torch " TORCH_VERSION "\n";
  for (const std::string& line : lines)
    text += line + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
