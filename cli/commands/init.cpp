// mrun init DIR --template NAME: a working model directory to begin with.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/model_draft.h"
#include "cli/model_file.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "cli/template_copy.h"
#include "cli/template_list.h"
#include "common/shell_word.h"
#include "common/text.h"
#include "packager/reference.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "DIR", .required = false, .help = "a new or empty folder; without it the templates are listed"}};
constexpr FlagSpec k_flags[] = {{.name = "template",
                                 .value_name = "NAME",
                                 .type = FlagType::text,
                                 .default_text = "text-embedding",
                                 .help = "what to begin with; `mrun init` alone lists them"},
                                {.name = "from",
                                 .value_name = "FILE",
                                 .type = FlagType::path,
                                 .help = "a model file instead: .pt2 of torch.export, or TorchScript .pt"},
                                {.name = "name",
                                 .value_name = "OWNER/NAME",
                                 .type = FlagType::text,
                                 .default_text = "local/<folder>",
                                 .help = "the model's name"},
                                k_plain_flag};
constexpr ExampleSpec k_examples[] = {
    {"init embed --template text-embedding", "a sentence embedding model in PyTorch"},
    {"init classify --template image-classifier --name me/classify", "an image classifier"},
    {"init net --from net.pt2", "a manifest for a program of torch.export, ready to pack"},
    {"init", "lists the templates"},
    {"init fast --template cpp", "a model in C++, through the predictor ABI"},
    {"init tone --template process", "a program in any language that answers JSON lines"}};

std::string shown(const std::filesystem::path& path) {
  return printable(path.string(), 1000);
}

Result<std::string> model_name(const Arguments& arguments, const std::filesystem::path& target) {
  const auto given = arguments.value("name");
  const std::string text = given ? *given : default_model_name(target);
  MRUN_ASSIGN(const Reference reference, Reference::parse(text));
  if (!reference.tag.empty() || reference.digest || !reference.digest_prefix.empty() ||
      !reference.host.empty())
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` is not a model's name", printable(text, 80)),
                "write it as owner/name");
  return reference.model();
}

Result<std::filesystem::path> find_template(const Context& context, const std::string& name) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  const std::filesystem::path folder = install.share() / "templates";
  const std::vector<std::string> names = template_names(folder);
  if (std::ranges::find(names, name) != names.end()) return folder / name;
  std::string known;
  for (const std::string& one : names)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", one);
  const std::string near = nearest(name, names);
  return fail(ErrorCode::template_unknown,
              fmt::format("there is no template `{}`{}", printable(name, 60),
                          known.empty() ? "" : "; there are " + known),
              near.empty() ? "" : fmt::format("the nearest is `--template {}`", near));
}

Result<int> run_from(Context& context, const Arguments& arguments, const std::filesystem::path& target,
                     const std::string& name) {
  if (arguments.has("template")) return fail(ErrorCode::usage, "--from and --template exclude each other");
  const std::filesystem::path model = expand_home(*arguments.value("from"));
  MRUN_ASSIGN(const Json report, inspect_model_file(context, model.string(), false));
  MRUN_ASSIGN(const ModelDraft draft, draft_model(report, model.filename().string(), name));
  MRUN_ASSIGN(const std::size_t count, write_draft(draft, model, target));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.init/v1"},
                                           {"folder", target.string()},
                                           {"template", nullptr},
                                           {"name", name},
                                           {"files", count}}));
    return 0;
  }
  context.say(fmt::format("wrote {} files to {}, as {}", count, shown(target), name));
  context.say(fmt::format("next:\n  cd {}\n  mrun pack . && mrun show {}", shell_word(shown(target)), name));
  return 0;
}

Result<int> list_templates(Context& context, const Arguments& arguments) {
  for (const char* flag : {"template", "from", "name"})
    if (arguments.has(flag))
      return fail(ErrorCode::usage, fmt::format("--{} needs a folder to write to", flag),
                  fmt::format("mrun init my-model --{} …", flag));
  if (context.json) {
    Json templates = Json::array();
    for (const TemplateRow& row : k_templates)
      templates.push_back({{"name", row.name}, {"says", row.says}});
    MRUN_TRY(
        print_json(context.terminal, {{"schema", "mrun.templates/v1"}, {"templates", std::move(templates)}}));
    return 0;
  }
  Table table{.header = {"TEMPLATE", "WHAT IT IS"}, .rows = {}, .right_aligned = {}, .shortened = {1}};
  for (const TemplateRow& row : k_templates)
    table.rows.push_back({std::string(row.name), std::string(row.says)});
  MRUN_TRY(print_table(context.terminal, table, arguments.has("plain")));
  context.say("next: mrun init my-model --template NAME");
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  if (arguments.positional(0).empty()) return list_templates(context, arguments);
  const std::filesystem::path target = expand_home(arguments.positional(0));
  MRUN_ASSIGN(const std::string name, model_name(arguments, target));
  if (arguments.has("from")) return run_from(context, arguments, target, name);
  const std::string kind = arguments.value("template").value_or("text-embedding");
  MRUN_ASSIGN(const std::filesystem::path source, find_template(context, kind));
  MRUN_ASSIGN(const std::size_t count, copy_template(source, target, name));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.init/v1"},
                                           {"folder", target.string()},
                                           {"template", kind},
                                           {"name", name},
                                           {"files", count}}));
    return 0;
  }
  context.say(
      fmt::format("wrote {} files of the template {} to {}, as {}", count, kind, shown(target), name));
  context.say(fmt::format("next, as {} says:", shown(target / "README.md")));
  context.say(fmt::format("  cd {}", shell_word(shown(target))));
  const auto row = std::ranges::find(k_templates, kind, &TemplateRow::name);
  if (row != k_templates.end() && !row->first.empty()) context.say(fmt::format("  {}", row->first));
  context.say(fmt::format("  mrun pack . && mrun show {}", name));
  return 0;
}

} // namespace

extern const CommandSpec k_command_init;
constinit const CommandSpec k_command_init{
    .name = "init",
    .group = CommandGroup::build,
    .summary = "write a model directory to begin with",
    .description = "Copies a template: mrun.yaml, the code that makes or runs the model, and a README that "
                   "tells the next\n"
                   "commands. Only a new or an empty folder is written to.\n\n"
                   "With --from the manifest is drafted from what a model file says of itself: its inputs, "
                   "their types and\n"
                   "sizes, its outputs, with an example; the file is copied beside it.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .run = run,
};

} // namespace mrun::cli
