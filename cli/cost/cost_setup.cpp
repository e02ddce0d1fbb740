// mrun cost setup: what this machine costs, asked once, kept as `cost:` of config.yaml.
#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/config_edit.h"
#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/estimate_result.h"
#include "cli/cost/own_machine.h"
#include "cli/predict/file_saver.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "cost/formulas.h"
#include "packager/config_file.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_answer_bytes = 64;
constexpr int k_max_attempts = 3; // at one question

struct Question {
  const char* flag;
  const char* words;     // {}: the currency
  const char* otherwise; // "": it must be given
  const char* most;
};
constexpr Question k_questions[] = {
    {"price", "What did the machine cost, in {}?", "", "10000000"},
    {"resale", "What will it bring when you sell it, in {}?", "0", "10000000"},
    {"years", "How many years will it serve?", "3", "30"},
    {"watts-active", "How many watts does it draw at work?", "", "100000"},
    {"watts-idle", "How many watts does it draw while it waits?", "", "100000"},
    {"kwh", "What does a kilowatt-hour cost, in {}?", "", "100"},
};

struct Answer {
  std::string text;
  Exact value;
};

Result<Exact> number_of(const std::string& flag, const std::string& text, const Exact& most) {
  Result<Exact> value = parse_exact(text, ErrorCode::cost_setup);
  if (!value)
    return fail(ErrorCode::cost_setup, fmt::format("`--{}`: {}", flag, value.error().message),
                value.error().hint);
  if (*value > most)
    return fail(ErrorCode::cost_setup,
                fmt::format("`--{}` is {}, more than {}", flag, text, exact_text(most, 0)));
  return value;
}

Result<Answer> answer_of(const Question& question, const std::string& text) {
  MRUN_ASSIGN(const Exact most, parse_exact(question.most, ErrorCode::cost_setup));
  MRUN_ASSIGN(const Exact value, number_of(question.flag, text, most));
  return Answer{text, value};
}

// What the flag says, or who sits at the terminal: a wrong answer is asked for again.
Result<Answer> answer_to(Context& context, const Arguments& arguments, const Question& question,
                         const std::string& currency) {
  if (const auto given = arguments.value(question.flag)) return answer_of(question, *given);
  const bool has_default = *question.otherwise != '\0';
  if (context.terminal.in_is_terminal() && context.terminal.err_is_terminal()) {
    const std::string prompt = fmt::format(fmt::runtime(question.words), currency) +
                               (has_default ? fmt::format(" [{}] ", question.otherwise) : " ");
    for (int attempt = 0; attempt < k_max_attempts; ++attempt) {
      const std::string said(trim(context.terminal.ask(prompt, k_max_answer_bytes)));
      if (said.empty() && has_default) break;
      Result<Answer> answer = answer_of(question, said);
      if (answer || attempt + 1 == k_max_attempts) return answer;
      context.terminal.err(answer.error().message + "\n");
    }
  }
  if (has_default) return answer_of(question, question.otherwise);
  return fail(ErrorCode::cost_setup, fmt::format("`--{}` is not given: {}", question.flag,
                                                 fmt::format(fmt::runtime(question.words), currency)));
}

struct Setup {
  OwnedMachine machine;
  std::vector<std::pair<std::string, std::string>> basis; // as given
  std::string currency;
  std::optional<Exact> utilisation;
};

Result<void> check(const OwnedMachine& machine) {
  if (machine.resale > machine.price)
    return fail(ErrorCode::cost_setup, "the machine brings more in the end than it cost");
  if (machine.life_h == 0) return fail(ErrorCode::cost_setup, "`--years` is 0");
  if (machine.idle_kw > machine.active_kw)
    return fail(ErrorCode::cost_setup, "it draws more while it waits than at work");
  return {};
}

Result<std::string> currency_of(const Arguments& arguments) {
  std::string currency = arguments.value("currency").value_or("USD");
  if (currency.size() != 3 || currency.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
    return fail(ErrorCode::cost_setup, "`--currency` is not a code such as USD (ISO 4217)");
  return currency;
}

Result<void> read_more(const Arguments& arguments, Setup& setup) {
  if (auto text = arguments.value("utilisation")) {
    if (text->ends_with('%')) text->pop_back();
    MRUN_ASSIGN(const Exact percent, number_of("utilisation", *text, 100));
    if (percent == 0) return fail(ErrorCode::cost_setup, "`--utilisation` is 0");
    setup.utilisation = percent / 100;
    setup.basis.emplace_back("utilisation", *text + " %");
  }
  for (const char* flag : {"tflops", "memory-gbs"})
    if (const auto text = arguments.value(flag)) {
      MRUN_ASSIGN(const Exact value, number_of(flag, *text, 100'000));
      if (value == 0) return fail(ErrorCode::cost_setup, fmt::format("`--{}` is 0", flag));
      setup.basis.emplace_back(flag, *text);
    }
  return {};
}

Result<Setup> read_setup(Context& context, const Arguments& arguments) {
  Setup setup;
  MRUN_ASSIGN(setup.currency, currency_of(arguments));
  std::map<std::string, Exact> values;
  for (const Question& question : k_questions) {
    MRUN_ASSIGN(const Answer answer, answer_to(context, arguments, question, setup.currency));
    values[question.flag] = answer.value;
    setup.basis.emplace_back(question.flag, answer.text);
  }
  setup.machine = {values["price"],
                   values["resale"],
                   values["years"] * 8760,
                   values["watts-idle"] / 1000,
                   values["watts-active"] / 1000,
                   values["kwh"]};
  MRUN_TRY(check(setup.machine));
  MRUN_TRY(read_more(arguments, setup));
  return setup;
}

// With a utilisation, busy hours pay for all; waiting is then free, or it would be paid twice.
std::string cost_yaml(const Setup& setup, const Money& rate, const Money& idle) {
  std::string text =
      fmt::format("cost:\n  rate: \"{}\"\n  per: instance_h\n  currency: {}\n  idle_rate: \"{}\"\n"
                  "  basis:\n    set_on: \"{}\"\n",
                  rate.text(), setup.currency, idle.text(), today());
  for (const auto& [name, value] : setup.basis)
    text += fmt::format("    {}: \"{}\"\n", name, value);
  return text;
}

Result<void> write_config(const Context& context, const std::string& block) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  const std::string path = home.config_file.string();
  MRUN_ASSIGN(const std::optional<std::string> before, read_config_file(path));
  const std::string text = with_top_key(before.value_or(""), "cost", block);
  MRUN_ASSIGN(const YamlNode root, parse_config_tree(text, path));
  if (root.find("cost") == nullptr) return fail(ErrorCode::internal, "config.yaml would have no `cost`");
  std::error_code ignored;
  std::filesystem::create_directories(home.config_file.parent_path(), ignored);
  MRUN_ASSIGN(AtomicFile file, AtomicFile::create(home.config_file));
  MRUN_TRY(file.write(text));
  return file.commit(true);
}

// A daemon that runs bills by it from now on; an older one does when it starts again.
void tell_daemon(const Context& context) {
  Result<DaemonClient> client = DaemonClient::connect(context, Start::never);
  if (!client) return; // none runs
  if (const auto told = client->post("/mrun/v1/cost/reload", Json::object()); !told)
    context.warn(
        fmt::format("the daemon that runs did not take it ({}): `mrun daemon stop`", told.error().message));
}

std::string busy_hours(const Setup& setup) {
  std::string text = "a busy hour, when the busy ones pay for all:";
  for (const int percent : {100, 50, 25, 5})
    text +=
        fmt::format("  {} at {} %", short_money(busy_hour_cost(setup.machine, Exact(percent, 100))), percent);
  return text + "\n";
}

} // namespace

Result<int> cost_setup(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Setup setup, read_setup(context, arguments));
  const Exact busy =
      setup.utilisation ? busy_hour_cost(setup.machine, *setup.utilisation) : active_hour_cost(setup.machine);
  MRUN_ASSIGN(const Money rate, to_money(busy));
  MRUN_ASSIGN(const Money idle, to_money(setup.utilisation ? Exact(0) : idle_hour_cost(setup.machine)));
  MRUN_TRY(write_config(context, cost_yaml(setup, rate, idle)));
  tell_daemon(context);
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.cost_setup/v1"},
                                           {"rate", rate.text()},
                                           {"idle_rate", idle.text()},
                                           {"per", "instance_h"},
                                           {"currency", setup.currency}}));
    return 0;
  }
  MRUN_TRY(context.terminal.out(fmt::format("an hour at work costs {} {}, an hour of waiting {} {}\n{}",
                                            short_money(busy), setup.currency, short_money(exact_of(idle)),
                                            setup.currency, busy_hours(setup))));
  context.say("kept in config.yaml; what ends from now on is billed by it");
  return 0;
}

} // namespace mrun::cli
