// The flag --device, for every command that runs a model.
#pragma once

#include "cli/flags.h"

namespace mrun::cli {

inline constexpr std::string_view k_devices[] = {"auto", "cpu", "cuda", "cuda:N"};
inline constexpr FlagSpec k_device_flag = {.name = "device",
                                           .value_name = "DEVICE",
                                           .type = FlagType::text,
                                           .choices = k_devices,
                                           .default_text = "auto",
                                           .help = "where to run; auto is a GPU if one serves"};

} // namespace mrun::cli
