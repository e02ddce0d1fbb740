// Inside of mrun-inspect. Standard input is the file, an open regular file; arguments are `--operators FILE`
// (the table of LibTorch's operators) and `--operator-libraries` (the bundle brings more). Standard output
// gets the members of schema mrun.inspect-file/v1 that the content gives, or {"error": {"code", "message",
// "hint"}}.
#pragma once

namespace mrun::cli {

int run_inspect_program(int argc, char** argv);

} // namespace mrun::cli
