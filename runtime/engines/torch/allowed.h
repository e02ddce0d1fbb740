// Which operators a program may use. A program is data from anywhere (trust class `graph`): it computes on
// the tensors it is given, and reaches for nothing else.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace mrun::torch_engine {

using OperatorNames = std::set<std::string, std::less<>>; // "mylib::magic"

// `name` with its namespace and without its overload, such as `aten::add`. False for operators that touch
// files, other processes, Python or raw memory, for those that do not check what they are told (strides,
// indices), for gradients and for every namespace that is not known to compute only. LibTorch has more than a
// thousand operators: that no other is careless is not proven (docs/formats/torch-engine.md).
bool may_run(std::string_view name);

// Operators that LibTorch lacks and the engine itself brings (detection/operators.h), such as
// `torchvision::nms`. They may run.
bool is_of_engine(std::string_view name);

// The same for a class of `torch.classes`, such as
// `__torch__.torch.classes.quantized.LinearPackedParamsBase`. True for classes that are not of
// `torch.classes`: their methods are checked as any code.
bool may_use_class(std::string_view name);

} // namespace mrun::torch_engine
