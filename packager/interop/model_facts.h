// What the files of a model say of it: format, architecture, size, precision, task, licence.
//
// From the headers of safetensors and GGUF files, config.json, the model card; no weight is read and no code
// is run. What nothing says stays empty.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "packager/interop/model_source.h"

namespace mrun {

struct ModelFacts {
  std::string format; // safetensors, gguf, onnx, pt: ModelPack's words; "" when there are no weights
  std::vector<SafePath> weights; // of that format, sorted
  std::string architecture;      // llama, bert: config.json's model_type, GGUF's general.architecture
  std::string precision;         // float32, or several by their share: "bfloat16,float32"
  std::string quantization;      // Q4_K_M, gptq
  std::uint64_t parameters = 0;  // 0: unknown
  std::string name;              // what the model calls itself
  std::string description;       // of the model card
  std::string license;           // an SPDX expression
  std::string task;              // text-generation, text-embedding, …
  bool chat = false;             // it has a chat template
  std::uint64_t context = 0;     // tokens; 0: unknown
  std::uint64_t embedding = 0;   // numbers of a hidden state; 0: unknown
};

// `check` is asked before each file's header; its error ends the reading. Errors: that one, those of reading.
// A header that can't be read says nothing, nor do the weights when their headers are absurdly large
// together.
Result<ModelFacts> learn_facts(const ModelSource& source,
                               const std::function<Result<void>()>& check = nullptr);

// "22.7m", "1.5b": ModelPack's paramSize; "" for 0.
std::string parameter_words(std::uint64_t parameters);

// Pickles: files that run code when they are loaded (.bin .pt .pth .ckpt .pkl …). mrun loads none of them.
bool is_pickle(const SafePath& path);

} // namespace mrun
