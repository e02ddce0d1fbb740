// Prints the operators that LibTorch has, in the form of operator_table.h. Runs at build time only.
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/version.h>

#include "runtime/engines/torch/argument_types.h"
#include "runtime/engines/torch/kernels.h"

namespace {

std::string words_behind(const c10::OperatorHandle& op) {
  std::string line;
  if (!mrun::torch_engine::has_kernel(op, false)) line += "\tno-cpu";
  for (const c10::Argument& argument : op.schema().arguments())
    if (!mrun::torch_engine::is_carried(*argument.type()))
      line += "\t" + argument.name() + ":" + argument.type()->str();
  return line;
}

} // namespace

int main() {
  std::map<std::string, std::string> lines; // by name
  std::set<std::string> script;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames())
    if (const auto op = c10::Dispatcher::singleton().findSchema(name)) {
      const std::string whole = name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
      lines.emplace(whole, whole + words_behind(*op));
      script.insert(name.name);
    }
  for (const auto& op : torch::jit::getAllOperators())
    script.insert(op->schema().name());
  std::string text = "torch " TORCH_VERSION "\n";
  for (const auto& [name, line] : lines)
    text += line + "\n";
  text += "script\n";
  for (const std::string& name : script)
    text += name + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
