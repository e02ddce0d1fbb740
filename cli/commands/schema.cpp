// mrun schema REF|DIR: the OpenAPI document of a model.
#include "packager/schema.h"
#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF|DIR", .help = "a model, a digest, or a model directory"}};
constexpr ExampleSpec k_examples[] = {
    {"schema demo/minilm", "inputs and output, as code generators and Cog's clients read them"},
    {"schema ./my-model > openapi.json", "of a model directory"}};
constexpr int k_exit_codes[] = {5, 6, 10};

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PredictTarget target, find_target(context, arguments));
  const Json document = openapi_schema(target.bundle.manifest);
  MRUN_TRY(context.json ? print_json(context.terminal, document)
                        : context.terminal.out(pretty_json(document) + "\n"));
  return 0;
}

} // namespace

extern const CommandSpec k_command_schema;
constinit const CommandSpec k_command_schema{
    .name = "schema",
    .group = CommandGroup::build,
    .summary = "print a model's OpenAPI document",
    .description = "The same document that the API gives as `openapi_schema` of a version.",
    .positionals = k_positionals,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
