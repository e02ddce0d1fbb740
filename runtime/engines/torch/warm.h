// What a zygote does before it forks: touch LibTorch once, so that no child pays for it.
#pragma once

namespace mrun::torch_engine {

// Runs small synthetic graphs of the usual operators on one thread (never a user's model). Leaves no second
// thread.
void warm_up();

} // namespace mrun::torch_engine
