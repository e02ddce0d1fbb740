// What operators do to memory that predictions share: weights, folded constants, a prediction's inputs.
//
// A schema says which arguments an operator writes into and which results alias an argument, but not all of
// it: many operators of LibTorch give back their input, or a view of it, and have no word about that. So
// compile.cpp's analysis is an estimate that makes most programs run without a second try, and what must hold
// is looked at where memory is known: right before an operator writes (execute.cpp).
#pragma once

#include <unordered_set>
#include <vector>

#include "runtime/engines/torch/compile.h"

namespace mrun::torch_engine {

// Indexes of the operands that the operator writes into, ascending.
std::vector<std::size_t> written_operands(const c10::FunctionSchema& schema,
                                          const std::vector<Operand>& operands);

// Whether a result may share the memory of operand `index`: as the schema says, or known to the table here.
bool may_give_back(const c10::FunctionSchema& schema, std::size_t index,
                   const std::vector<Operand>& operands);

// The table alone, for whoever knows no operands.
bool is_known_to_give_back(const c10::FunctionSchema& schema, std::size_t index);
// Whether the operator writes into the argument though its schema does not say so; batch norm's statistics
// are written in training only.
bool is_written_silently(const c10::FunctionSchema& schema, const c10::Argument& argument, bool is_training);

// Where the tensor's storage begins; nullptr when it has none or an empty one. Of a sparse tensor: that of
// its values.
const void* memory_of(const at::Tensor& tensor);

class SharedMemory {
 public:
  void add(const c10::IValue& value);
  // The first of the value's tensors that lies in shared memory, as its memory_of; else nullptr.
  const void* find(const c10::IValue& value) const;

 private:
  std::unordered_set<const void*> m_memory;
};

} // namespace mrun::torch_engine
