// Tags and the ledger's filters as callers write them.
#include <doctest/doctest.h>

#include "daemon/api/ledger.h"

using namespace mrun;

namespace {

ErrorCode refused(const QueryPairs& pairs) {
  const auto query = parse_ledger_page(pairs);
  REQUIRE_FALSE(query);
  return query.error().code;
}

std::string hint_of(const QueryPairs& pairs) {
  const auto query = parse_ledger_stats(pairs);
  REQUIRE_FALSE(query);
  CHECK(query.error().code == ErrorCode::ledger_query);
  return query.error().hint;
}

} // namespace

TEST_CASE("tags travel in a header and come back as they were") {
  Tags tags;
  REQUIRE(add_tag(tags, "user=alice"));
  REQUIRE(add_tag(tags, "feature=a, b=c%20 é"));
  CHECK(tags.at("feature") == "a, b=c%20 é");
  Tags received;
  REQUIRE(add_tags_of_header(received, tags_header(tags)));
  CHECK(received == tags);
  Tags by_hand;
  REQUIRE(add_tags_of_header(by_hand, " user=alice ,  team = core%2Fml "));
  CHECK(by_hand == Tags{{"user", "alice"}, {"team", "core/ml"}});
  CHECK(decode_tags(encode_tags(tags)) == tags);
  CHECK(encode_tags({}).empty());
  CHECK(decode_tags("[1]").empty());
}

TEST_CASE("what is no tag is refused, in a flag and in a header") {
  for (const char* bad :
       {"", "user", "=x", "user=", "1st=x", "us er=x", "us\"er=x", "user=a\nb", "user=\xff", "ü=x"}) {
    Tags tags;
    const Result<void> added = add_tag(tags, bad);
    REQUIRE_MESSAGE(!added, bad);
    CHECK(added.error().code == ErrorCode::tag_invalid);
  }
  for (const char* bad :
       {"user", "user=a,", ",", "user=%", "user=%zz", "user=%0a", "user=a,user=b", "user=%00"}) {
    Tags tags;
    CHECK_FALSE_MESSAGE(add_tags_of_header(tags, bad), bad);
  }
  Tags tags;
  CHECK_FALSE(add_tag(tags, std::string(k_max_tag_key_bytes + 1, 'k') + "=x"));
  CHECK_FALSE(add_tag(tags, "k=" + std::string(k_max_tag_value_bytes + 1, 'x')));
  CHECK(add_tag(tags, std::string(k_max_tag_key_bytes, 'k') + "=" + std::string(k_max_tag_value_bytes, 'x')));
  for (std::size_t i = 1; i < k_max_tags; ++i)
    CHECK(add_tag(tags, "t" + std::to_string(i) + "=x"));
  CHECK_FALSE(add_tag(tags, "last=x"));
}

TEST_CASE("a query names the filters that hold") {
  const auto query = parse_ledger_page({{"model", "a/b"},
                                        {"version", "0123abcd"},
                                        {"tag", "user=alice"},
                                        {"tag", "x=y=z"},
                                        {"kind", "setup"},
                                        {"status", "failed"},
                                        {"since", "2026-11-24"},
                                        {"until", "2026-11-24T01:00:00.5+01:00"},
                                        {"limit", "7"},
                                        {"cursor", "c"}});
  REQUIRE_MESSAGE(query, query.error().message);
  CHECK(query->filter.model == "a/b");
  CHECK(query->filter.version_prefix == "0123abcd");
  CHECK(query->filter.tags == Tags{{"user", "alice"}, {"x", "y=z"}});
  CHECK(query->filter.kind == LedgerKind::setup);
  CHECK(query->filter.status == "failed");
  CHECK(*query->filter.until_ns - *query->filter.since_ns == 500'000'000);
  CHECK(query->limit == 7);
  CHECK(query->cursor == "c");
  const auto stats = parse_ledger_stats({{"by", "tag:user.name"}});
  REQUIRE(stats);
  CHECK(stats->by == LedgerStatsQuery::By::tag);
  CHECK(stats->tag_key == "user.name");
  CHECK(parse_ledger_page({})->limit == LedgerPageQuery::k_default_ledger_page);
}

TEST_CASE("an unknown name or value is refused, with the nearest") {
  CHECK(hint_of({{"modle", "a/b"}}) == "did you mean `model`?");
  CHECK(hint_of({{"by", "modl"}}) == "did you mean `model`?");
  CHECK(hint_of({{"kind", "setpu"}}) == "did you mean `setup`?");
  CHECK(hint_of({{"status", "suceeded"}}) == "did you mean `succeeded`?");
  CHECK(hint_of({{"limit", "5"}}).find("known are") == 0); // of pages only
  const std::vector<QueryPairs> refusals = {{{"limit", "0"}},
                                            {{"limit", "1001"}},
                                            {{"limit", "-1"}},
                                            {{"limit", "1e3"}},
                                            {{"limit", ""}},
                                            {{"kind", ""}},
                                            {{"version", "xyz"}},
                                            {{"version", "abc"}},
                                            {{"version", "ABCDEF01"}},
                                            {{"since", "yesterday"}},
                                            {{"since", "2026-02-30"}},
                                            {{"until", "2026-11-24T25:00:00Z"}},
                                            {{"until", "2026-11-24T20:00:00"}},
                                            {{"model", ""}},
                                            {{"model", "a"}, {"model", "b"}},
                                            {{"", ""}},
                                            {{"by", "day"}}};
  for (const QueryPairs& bad : refusals)
    CHECK(refused(bad) == ErrorCode::ledger_query);
  CHECK(refused({{"tag", "user"}}) == ErrorCode::tag_invalid);
  CHECK_FALSE(parse_ledger_stats({{"by", "tag:"}}));
  CHECK_FALSE(parse_ledger_stats({{"by", "tag:a\"b"}}));
}

TEST_CASE("a page of predictions takes their statuses, and an id as cursor") {
  const std::string id = "01hq3k5v7w9x1y3z5a7b9c1d3e";
  const auto query = parse_prediction_page({{"model", "a/b"},
                                            {"status", "processing"},
                                            {"tag", "user=alice"},
                                            {"since", "2026-11-24"},
                                            {"cursor", id},
                                            {"limit", "7"}});
  REQUIRE(query);
  CHECK(query->filter.kind == LedgerKind::prediction);
  CHECK(query->filter.status == "processing");
  CHECK(query->filter.tags.at("user") == "alice");
  CHECK(query->cursor == id);
  CHECK(query->limit == 7);
  for (const QueryPairs& bad : std::vector<QueryPairs>{{{"status", "used"}},
                                                       {{"status", "procesing"}},
                                                       {{"kind", "setup"}},
                                                       {{"cursor", "12-" + id}},
                                                       {{"limit", "1001"}},
                                                       {{"by", "day"}},
                                                       {{"limit", "1"}, {"limit", "2"}}}) {
    const auto refusal = parse_prediction_page(bad);
    REQUIRE_FALSE(refusal);
    CHECK(refusal.error().code == ErrorCode::ledger_query);
  }
  CHECK(parse_prediction_page({{"status", "procesing"}}).error().hint == "did you mean `processing`?");
}
