// The worked examples of the notes, to the digits that they give.
#include <doctest/doctest.h>

#include "cost/formulas.h"

using namespace mrun;

namespace {

Exact number(const char* text) {
  return parse_exact(text, ErrorCode::cost_setup).value();
}

PricePerSecond hourly(const char* usd) {
  return {number(usd) / 3600};
}

std::string text(const Exact& value, int places) {
  return exact_text(value, places);
}

} // namespace

TEST_CASE("exact numbers: read, written, rounded once") {
  CHECK(text(number("0.125"), 2) == "0.12"); // half to even
  CHECK(text(number("0.375"), 2) == "0.38");
  CHECK(text(-number("2.5"), 0) == "-2");
  CHECK(text(Exact(1, 3), 12) == "0.333333333333");
  CHECK(to_money(Exact(1, 3) * 3)->text() == "1");
  CHECK_FALSE(to_money(number("10000000")));
  CHECK(round_up_to(number("2.1"), 1) == 3);
  CHECK(round_up_to(2, 1) == 2);
  CHECK(nearest_integer(number("2.5")) == 2);
  CHECK(nearest_integer(number("1000") * 1'000'000'000) == 1'000'000'000'000);
  CHECK_FALSE(nearest_integer(Exact(10'000'000'000) * 1'000'000'000)); // beyond 64 bits
  CHECK(text(parse_exact("1234567890123.5", ErrorCode::cost_setup, k_max_result_digits).value(), 1) ==
        "1234567890123.5");
  for (const char* bad :
       {"", ".", "1.", ".5", "-1", "1e3", "1,5", "1.2.3", "1234567890123", "0.1234567890123"})
    CHECK_FALSE(parse_exact(bad, ErrorCode::cost_setup));
}

TEST_CASE("runtime seconds: rounded up to the granularity") {
  // CPU at $0.0001 a second: 2.3 s are 3 started seconds.
  CHECK(text(runtime_cost({number("0.0001")}, {number("2.3")}, {1}), 12) == "0.0003");
  CHECK(text(runtime_cost({number("0.0001")}, {number("2.3")}, {0}), 12) == "0.00023");
}

TEST_CASE("the cold-start tax: a clip at 0.0135 steady is 0.049 with its first load, on 0.69 an hour") {
  const Seconds steady{number("0.0135") / hourly("0.69").value}; // 70.4 s
  const Seconds load{number("0.049") / hourly("0.69").value - steady.value};
  const DeploymentCost cost = lone_request_cost(hourly("0.69"), {}, steady, load, {0}, {0});
  CHECK(text(cost.sum(), 3) == "0.049");
  CHECK(text(cost.sum() / cost.active, 1) == "3.6");
}

TEST_CASE("a deployment bills a day of one L40S as 84.24") {
  const auto cost = always_on_cost({number("0.000975")}, 1, {10}, Exact(1, 86400), 1);
  REQUIRE(cost);
  CHECK(text(cost->sum(), 12) == "84.24");
  CHECK(text(cost->active, 12) == "0.00975");
  CHECK(text(cost->idle, 12) == "84.23025"); // billed hours and busy hours are apart
  CHECK_FALSE(always_on_cost({1}, 1, {10}, number("0.09"), number("0.8")));
  CHECK(instances_needed(number("0.3"), {10}, number("0.8")) == 4);
}

TEST_CASE("Poisson arrivals at a deployment that scales to zero") {
  // λ = 1/600, K = 300: P(cold) = e^-0.5 = 0.606530659713.
  const DeploymentCost cost = poisson_request_cost({1}, {}, {5}, {20}, {300}, Exact(1, 600));
  CHECK(text(cost.active, 6) == "5");
  CHECK(text(cost.setup, 6) == "12.130613");
  CHECK(text(cost.idle, 6) == "236.081604"); // P·K + (1−P)·E[gap | gap < K] = (1−P)/λ
  const DeploymentCost free_idle =
      poisson_request_cost({1}, {.setup = false, .idle = false}, {5}, {20}, {300}, 1);
  CHECK(text(free_idle.sum(), 6) == "5");
}

TEST_CASE("an owned machine: a 2,000 dollar card over 3 years at 0.15 per kWh, 60 W idle, 450 W at work") {
  const OwnedMachine box{2000, 0, 3 * 8760, number("0.06"), number("0.45"), number("0.15")};
  CHECK(text(busy_hour_cost(box, 1), 2) == "0.14");
  CHECK(text(busy_hour_cost(box, Exact(1, 2)), 2) == "0.23");
  CHECK(text(busy_hour_cost(box, Exact(1, 4)), 2) == "0.4");
  CHECK(text(busy_hour_cost(box, Exact(1, 20)), 2) == "1.76");
  CHECK(active_hour_cost(box) == busy_hour_cost(box, 1));
}

TEST_CASE("break-even utilisation, as the notes have it") {
  struct Row {
    const char *serverless, *dedicated, *percent;
  };
  for (const Row& row : {Row{"5.04", "1.39", "27.6"}, Row{"5.04", "2.79", "55.4"}, Row{"5.49", "2.69", "49"},
                         Row{"5.49", "4.29", "78.1"}, Row{"3.51", "1.80", "51.3"},
                         Row{"0.81", "0.50", "61.7"}, Row{"3.95", "2.69", "68.1"}})
    CHECK(text(break_even_utilisation(number(row.dedicated), number(row.serverless)) * 100, 1) ==
          row.percent);
}

TEST_CASE("units an hour that a dedicated machine must make") {
  CHECK(text(break_even_units_per_hour(number("2.69"), number("0.003")), 0) == "897");
  CHECK(text(break_even_units_per_hour(number("1.80"), number("0.003")), 0) == "600");
  CHECK(text(break_even_units_per_hour(number("2.69"), number("0.025")), 0) == "108");
  // 0.64 a million tokens, two H100 at 5.38 an hour: 2,335 tokens a second.
  CHECK(text(break_even_units_per_hour(number("5.38"), number("0.00000064")) / 3600, 0) == "2335");
}

TEST_CASE("an action: price, retries, fallback") {
  // 4 images at 0.003; 5 % again; 10 % go on to a model at ten times the price.
  const Exact first = UnitPrice<ImagesUnit>{number("0.003")} * Images{4};
  CHECK(text(action_cost(first, number("0.05"), number("0.1"), first * 10), 12) == "0.0252");
}

TEST_CASE("a machine's tokens: one that is made costs as much as four that are read") {
  // 1,000 a second read and 250 made, at 3.6 an hour: 0.001 / (1000/4 + 250) = 2 a million made, 0.5 read.
  const TokenCost cost = token_cost(number("0.001"), {1000}, {250}, 4);
  CHECK(text(cost.made * 1'000'000, 6) == "2");
  CHECK(text(cost.read * 1'000'000, 6) == "0.5");
  CHECK(cost.read * 1000 + cost.made * 250 == number("0.001"));
  CHECK(token_cost(6, {0}, {3}, 4).made == 2);
}

TEST_CASE("a conversation grows: quadratic without a cache") {
  const Conversation talk{.turns = 3, .system = 100, .user = 50, .reply = 200, .window = {}, .cached = false};
  ConversationTokens tokens = conversation_tokens(talk); // 150 + 400 + 650
  CHECK(tokens.fresh.value == 1200);
  CHECK(tokens.cached.value == 0);
  CHECK(tokens.output.value == 600);
  Conversation cached = talk;
  cached.cached = true;
  tokens = conversation_tokens(cached); // again: 0 + 150 + 400; a reply is new when it is first sent
  CHECK(tokens.cached.value == 550);
  CHECK(tokens.fresh.value == 650);
  Conversation narrow = talk;
  narrow.window = Exact(300);
  CHECK(conversation_tokens(narrow).fresh.value == 150 + 300 + 300);
}

TEST_CASE("a conversation's sums are those of its turns, one by one") {
  // The definition, turn by turn; the function has closed forms, so that a hostile file costs no time.
  const auto by_turns = [](const Conversation& talk) {
    ConversationTokens tokens{{0}, {0}, {0}};
    Exact said = 0, before = 0;
    for (std::int64_t turn = 0; turn < talk.turns; ++turn) {
      Exact sent = talk.system + said + talk.user;
      const bool is_full = talk.window && sent > *talk.window;
      if (is_full) sent = *talk.window;
      const Exact known = is_full ? talk.system : before;
      const Exact again = talk.cached && turn > 0 ? std::min(known, sent) : Exact(0);
      before = sent;
      tokens.cached.value += again;
      tokens.fresh.value += sent - again;
      tokens.output.value += talk.reply;
      said += talk.user + talk.reply;
    }
    return tokens;
  };
  std::uint64_t state = 1;
  const auto pick = [&state](std::uint64_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>((state >> 33) % below);
  };
  for (int round = 0; round < 2000; ++round) {
    Conversation talk{.turns = 1 + pick(40),
                      .system = Exact(pick(500)),
                      .user = Exact(pick(90), 1 + pick(4)),
                      .reply = Exact(pick(300), 1 + pick(3)),
                      .window = {},
                      .cached = pick(2) == 1};
    if (pick(4) > 0) talk.window = Exact(pick(4000));
    CAPTURE(round);
    const ConversationTokens a = conversation_tokens(talk), b = by_turns(talk);
    CHECK(a.fresh.value == b.fresh.value);
    CHECK(a.cached.value == b.cached.value);
    CHECK(a.output.value == b.output.value);
  }
  const Conversation longest{
      .turns = 10'000, .system = 1, .user = 1, .reply = 1, .window = {}, .cached = false};
  CHECK(conversation_tokens(longest).fresh.value == Exact(2) * 10'000 + Exact(10'000) * 9'999);
}
