// `-u NAME --token-stdin`: who the user is to a registry, for one command.
#pragma once

#include "cli/flags.h"

namespace mrun::cli {

inline constexpr FlagSpec k_username_flag{.name = "username",
                                          .short_name = 'u',
                                          .value_name = "NAME",
                                          .type = FlagType::text,
                                          .help = "the user of --token-stdin"};
inline constexpr FlagSpec k_token_stdin_flag{
    .name = "token-stdin",
    .help = "read a password or token from standard input, for this command only (`mrun login` keeps one)"};

} // namespace mrun::cli
