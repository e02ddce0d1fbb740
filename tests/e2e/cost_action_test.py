"""Goal: a feature's cost per action equals a second implementation; budgets and diffs have exit codes; hostile files are refused in place."""

import json
import random
from fractions import Fraction as F

import cost_model as model
from cost_estimate_test import TODAY, decimal
from harness import SOURCE, run

FEATURES = SOURCE / "docs/features"


def the_shipped_features_run(home):
    for path in sorted(FEATURES.glob("*.yaml")):
        result = home.mrun("cost", "action", path, "--json").json()
        assert F(result["per_action"]["worst"]) >= F(result["per_action"]["typical"]) > 0, path
        assert result["sensitivity"] and all(call["sources"] for call in result["calls"]), path
        shown = home.mrun("cost", "action", path)
        assert "one action" in shown.out and "read on" in shown.out and "what moves" in shown.out, shown
    assert len(list(FEATURES.glob("*.yaml"))) == 5


def all_that_moves(home):
    """Sensitivity speaks of every number of a call and of its fallback."""
    chat = {knob["what"] for knob in home.mrun("cost", "action", FEATURES / "chatbot.yaml", "--json").json()["sensitivity"]}
    assert {"chat: price", "chat: turns", "chat: system_tokens", "chat: window_tokens"} <= chat, chat
    avatar = {knob["what"] for knob in home.mrun("cost", "action", FEATURES / "avatar.yaml", "--json").json()["sensitivity"]}
    assert {"generate: price", "other provider: price", "other provider: image"} <= avatar, avatar


def the_avatar_by_hand(home):
    # 20 images at 0.025 and, for a tenth, 20 at 0.03, 15 % again: (0.5 + 0.1 x 0.6) x 1.15.
    result = home.mrun("cost", "action", FEATURES / "avatar.yaml", "--json").json()
    assert result["per_action"] == {"typical": "0.103224", "worst": "0.644"}, result["per_action"]
    # 20,000 of them, two days of thirty at ten times.
    assert result["per_month"]["worst"] == model.text(F("0.644") * 20000 * (1 + 9 * F(2, 30))), result["per_month"]


def the_custom_api_by_hand(home):
    # One instance that is always on: 0.000975 a second for 30 days, whoever comes.
    result = home.mrun("cost", "action", FEATURES / "custom-api.yaml", "--json").json()
    assert result["per_month"] == {"typical": "2527.2", "worst": "2527.2"}, result["per_month"]
    assert result["per_action"]["typical"] == model.text(F("0.000975") * 360 * F("1.01")), result["per_action"]
    # The dear hour is the one in which few come.
    assert result["per_action"]["worst"] == model.text(F("0.000975") * 1800 * F("1.1")), result["per_action"]


def write(home, name, text):
    (home.path / name).write_text(text)
    return home.path / name


def seeded_conversations(home):
    price = {"mtok_in": F("0.15"), "mtok_out": F("0.6"), "mtok_cached_in": F("0.075")}
    rows = [{"provider": "seeded", "sku": "talk", "kind": "token", "per": per, "usd": float(usd), "dims": {}, "states": None,
             "granularity_s": None, "read_on": TODAY, "source": "seed", "confidence": "A"} for per, usd in price.items()]
    (home.home / "prices.json").write_text(json.dumps(rows))
    for seed in range(20):
        random_ = random.Random(seed)
        turns = sorted(random_.randint(1, 60) for _ in range(2))
        sizes = {key: sorted(random_.randint(1, 900) for _ in range(2)) for key in ("system_tokens", "user_tokens", "reply_tokens")}
        window = random_.choice([None, random_.randint(2000, 9000)])
        cached, retry, share = random_.random() < 0.5, decimal(random_, 0, 0.3, 3), decimal(random_, 0, 0.5, 3)
        ranges = "".join(f"\n      {key}: {{typical: {a}, worst: {b}}}" for key, (a, b) in [("turns", turns), *sizes.items()])
        path = write(home, "talk.yaml", f"""feature: 1
name: talk
calls:
  - name: chat
    price: {{provider: seeded, sku: talk}}
    conversation:{ranges}
      cached: {str(cached).lower()}{f'''
      window_tokens: {window}''' if window else ''}
    retry_rate: {model.text(retry)}
    fallback: {{name: other, share: {model.text(share)}, price: {{usd: "0.02", per: request, source: seed, read_on: "{TODAY}"}}, units: {{request: 1}}}}
""")
        result = home.mrun("cost", "action", path, "--json").json()["per_action"]
        amounts = []
        for end in (0, 1):
            fresh, again, made = model.conversation(turns[end], *(F(sizes[k][end]) for k in sizes), window and F(window), cached)
            first = (fresh * price["mtok_in"] + again * price["mtok_cached_in"] + made * price["mtok_out"]) / 10**6
            amounts.append(model.action(first, retry, share, F("0.02")))
        wanted = {"typical": model.text(amounts[0]), "worst": model.text(max(amounts))}
        assert result == wanted, (seed, result, wanted)


IMAGE = """feature: 1
name: pictures
calls:
  - name: make
    price: {{usd: "{usd}", per: image, source: contract, read_on: "{day}"}}
    units: {{image: {{typical: 1, worst: {worst}}}}}
"""


def budgets_and_diffs(home):
    cheap = write(home, "cheap.yaml", IMAGE.format(usd="0.01", day=TODAY, worst=4))
    dear = write(home, "dear.yaml", IMAGE.format(usd="0.0105", day=TODAY, worst=4))
    home.mrun("cost", "action", cheap, "--budget", "0.04")
    home.fails("M1915", 3, "cost", "action", cheap, "--budget", "0.0399")
    diff = home.mrun("cost", "diff", cheap, dear, "--max-increase", "5%", "--json").json()
    assert (diff["worst_change"], diff["worst_change_percent"]) == ("0.002", "5"), diff
    home.fails("M1915", 3, "cost", "diff", cheap, dear, "--max-increase", "4.99%")
    home.mrun("cost", "diff", dear, cheap, "--max-increase", "0%")
    saved = write(home, "cheap.json", home.mrun("cost", "action", cheap, "--json").out)
    home.fails("M1915", 3, "cost", "diff", saved, dear, "--budget", "0.041")
    # A percentage is no amount, and a saved result has to be whole: a gate must not pass for lack of a figure.
    home.fails("M1004", 2, "cost", "action", cheap, "--budget", "5%")
    home.mrun("cost", "diff", saved, saved, "--budget", "1")
    whole = json.loads(saved.read_text())
    amount = {"typical": "0.01", "worst": "0.005"}
    for broken in ({"oldest_read_on": None}, {"oldest_read_on": ...}, {"calls": "abc"}, {"calls": []}, {"currency": "JPY"}, {"currency": ...},
                   {"per_action": {"typical": "0.01", "worst": "0.0399"}}, {"per_action": amount, "calls": [whole["calls"][0] | {"amount": amount}]},
                   {"calls": [{key: value for key, value in whole["calls"][0].items() if key != "sources"}]}):
        text = json.dumps({key: value for key, value in (whole | broken).items() if value is not ...})
        home.fails("M1913", 2, "cost", "diff", saved, write(home, "broken.json", text), "--budget", "1")
    # The budget breaks at 1.25 times the images.
    path = write(home, "budget.yaml", IMAGE.format(usd="0.01", day=TODAY, worst=4) + "budget: {per_action: 0.05}\n")
    knobs = home.mrun("cost", "action", path, "--json").json()["sensitivity"]
    assert {k["what"]: (k["change_percent"], k["over_budget_from_factor"]) for k in knobs} == {
        "make: price": ("50", "1.26"), "make: times": ("50", "1.26"), "make: image": ("50", "1.26")}, knobs


def old_prices_decide_nothing(home):
    rows = [{"provider": "old", "sku": "x", "kind": "image", "per": "image", "usd": 0.01, "dims": {}, "states": None,
             "granularity_s": None, "read_on": "2020-01-01", "source": "seed", "confidence": "A"}]
    (home.home / "prices.json").write_text(json.dumps(rows))
    path = write(home, "old.yaml", "feature: 1\nname: x\ncalls: [{name: a, price: {provider: old, sku: x}, units: {image: 1}}]\n")
    assert "days ago" in home.mrun("cost", "action", path).err
    home.fails("M1912", 4, "cost", "action", path, "--budget", "1")
    home.mrun("cost", "action", path, "--budget", "1", "--max-age", "90000d")


def prices_of_the_file_are_prices(home):
    good = IMAGE.format(usd="0.01", day=TODAY, worst=4)
    for old, new in ((TODAY, "long ago"), (TODAY, "2026-02-31"), (TODAY, "2199-01-01"), ('usd: "0.01"', 'usd: "0"'), ('usd: "0.01"', 'usd: "0.000"')):
        outcome = home.fails("M1913", 2, "cost", "action", write(home, "here.yaml", good.replace(old, new)), "--budget", "1")
        assert "here.yaml:5:" in outcome.err, outcome
    path = write(home, "here.yaml", IMAGE.format(usd="0.01", day="2001-01-01", worst=4))
    shown = home.mrun("cost", "action", path)
    assert "read on 2001-01-01" in shown.out and "contract" in shown.out and "days ago" in shown.err, shown
    result = home.mrun("cost", "action", path, "--json").json()
    assert result["oldest_read_on"] == "2001-01-01" and result["calls"][0]["sources"][0]["source"] == "contract", result
    home.fails("M1912", 4, "cost", "action", path, "--budget", "1", "--max-age", "1d")
    # Nor do dates in a book or a saved result that nobody can read.
    row = {"provider": "old", "sku": "x", "kind": "image", "per": "image", "usd": 0.01, "dims": {}, "states": None, "granularity_s": None,
           "source": "seed", "confidence": "A"}
    book = home.home / "prices.json"
    uses = write(home, "old.yaml", "feature: 1\nname: x\ncalls: [{name: a, price: {provider: old, sku: x}, units: {image: 1}}]\n")
    for day in ("2026-02-31", "2199-01-01"):
        book.write_text(json.dumps([row | {"read_on": day}]))
        home.fails("M1911", 5, "cost", "action", uses, "--budget", "1")
    book.unlink()
    saved = result | {"oldest_read_on": "2026-02-31"}
    path = write(home, "saved.json", json.dumps(saved))
    home.fails("M1912", 4, "cost", "diff", path, path, "--budget", "1")


ALWAYS = """feature: 1
name: always
actions_per_month: {actions}
spike: {{factor: {factor}, days: {days}}}
{budget}
calls:
  - name: main
    price: {{provider: seeded, sku: box}}
    seconds: 3
    instances: {instances}
    retry_rate: 1
    fallback:
      name: other
      share: 0.5
      retry_rate: 0.5
      {other}
"""
PICTURE = 'price: {{usd: "2", per: image, source: contract, read_on: "{day}"}}\n      units: {{image: 1}}'
SECOND = "price: {provider: seeded, sku: box}\n      seconds: 3\n      instances: 1"


def months_beside_instances(home):
    row = {"provider": "seeded", "sku": "box", "kind": "runtime", "per": "instance_s", "usd": 0.000975, "dims": {"gpu_count": 1}, "granularity_s": None,
           "states": {"active": 1, "setup": 1, "idle": 1}, "read_on": TODAY, "source": "seed", "confidence": "A"}
    (home.home / "prices.json").write_text(json.dumps([row]))
    box = F("0.000975") * 86400 * 30

    def action(**changes):
        values = {"actions": 1000, "factor": 1, "days": 0, "budget": "", "instances": 1, "other": PICTURE.format(day=TODAY)} | changes
        return write(home, "always.yaml", ALWAYS.format(**values))
    result = home.mrun("cost", "action", action(), "--json").json()
    # The instance, and for each of 1,000 actions twice half a picture, half of these again.
    assert result["per_month"]["worst"] == model.text(box + 1000 * 2 * F("0.5") * 2 * F("1.5")), result["per_month"]
    assert result["calls"][0]["always_on_month"] == "2527.2", result["calls"]
    # An instance as the fallback is one more instance.
    assert home.mrun("cost", "action", action(other=SECOND), "--json").json()["per_month"]["worst"] == model.text(2 * box)
    # 0.8 x 3600 / 3 = 960 requests an hour fit, two an action: 345,600 actions a month.
    home.mrun("cost", "action", action(actions=345600))
    for changes in ({"actions": 345601}, {"actions": 3457, "factor": 100, "days": 10}):
        outcome = home.fails("M1914", 4, "cost", "action", action(**changes))
        assert "can't serve that many" in outcome.err and "instances: 2" in outcome.err, outcome
    home.mrun("cost", "action", action(actions=345601, instances=2))
    # Spikes and actions are knobs, and a month's budget has its breaking points.
    path = action(factor=4, days=3, budget=f"budget: {{per_month: {model.text(box + 6000)}}}")
    knobs = {knob["what"]: knob for knob in home.mrun("cost", "action", path, "--json").json()["sensitivity"]}
    assert {"actions_per_month", "spike factor", "spike days", "main: times", "main: retry_rate"} <= set(knobs), knobs
    # By use it is 3,000 times 1 + 3 x 0.1: over 6,000 from 1.54 times the actions on.
    assert knobs["actions_per_month"]["over_month_budget_from_factor"] == "1.54", knobs
    # Half as many again: each action bears two thirds of the instance.
    assert F(knobs["actions_per_month"]["change_percent"]) < 0 < F(knobs["actions_per_month"]["month_change_percent"]) > 0, knobs
    # 1 + (4f - 1) x 0.1 = 2.
    assert knobs["spike factor"]["over_month_budget_from_factor"] == "2.76", knobs
    assert "over the month's budget from 1.54 times on" in home.mrun("cost", "action", path).out


OWN_BOX = """feature: 1
name: own
{actions}
calls:
  - name: main
    price: own
    seconds: 2
    setup_seconds: 100
    {deployed}
"""


def the_own_machine_waits_too(home):
    (home.home / "config.yaml").write_text('cost: {rate: "3.6", per: instance_h, currency: USD, idle_rate: "0.36"}\n')

    def action(deployed, actions="actions_per_month: 720"):
        return write(home, "own.yaml", OWN_BOX.format(deployed=deployed, actions=actions))
    # One request an hour: 2 s of work at 0.001, and 3,598 of waiting at 0.0001.
    for rate in ("", "\n    requests_per_hour: 1"):
        result = home.mrun("cost", "action", action("instances: 1" + rate), "--json").json()
        assert result["per_action"] == {"typical": "0.3618", "worst": "0.3618"}, result["per_action"]
        assert result["per_month"] == {"typical": "260.496", "worst": "260.496"}, result["per_month"]
        assert result["calls"][0]["always_on_month"] == "259.2", result["calls"]
    # Scaled to zero: the worst is a load, the work and a minute of waiting.
    result = home.mrun("cost", "action", action("keep_warm_seconds: 60\n    requests_per_hour: 1"), "--json").json()
    assert result["per_action"]["worst"] == model.text(F("0.102") + F("0.006")), result["per_action"]
    # Without a word of how it waits it is the time at work.
    path = action("retry_rate: 0")
    path.write_text(path.read_text().replace("    setup_seconds: 100\n", ""))
    assert home.mrun("cost", "action", path, "--json").json()["per_action"]["worst"] == "0.002"
    # It is one machine, and it can't do more than it can.
    full = home.fails("M1914", 4, "cost", "action", action("instances: 9", "actions_per_month: 1036801"))
    assert "one instance" in full.err, full
    second = "instances: 1\n  - {name: other, price: own, seconds: 1, instances: 1}"
    assert "own.yaml:10:" in home.fails("M1913", 2, "cost", "action", action(second)).err
    (home.home / "config.yaml").write_text('cost: {rate: "3.6", per: instance_h, currency: USD}\n')
    assert "while it waits" in home.fails("M1914", 4, "cost", "action", action("instances: 1")).err
    (home.home / "config.yaml").unlink()


def one_feature_one_volume(home):
    """Requests an hour and actions a month are of the same feature: they follow from each other, or are near."""
    def feature(rate, actions=7200, instances="instances: 1"):
        return write(home, "rate.yaml", f"""feature: 1
name: rate
actions_per_month: {actions}
calls:
  - name: main
    price: {{provider: replicate, sku: L40S 48GB, product: deployment}}
    seconds: 1
    setup_seconds: 10
    {instances}
    {rate}
""")
    derived, given = (home.mrun("cost", "action", feature(rate), "--json").json() for rate in ("", "requests_per_hour: 10"))
    assert derived["per_action"] == given["per_action"] and derived["per_month"] == given["per_month"], (derived, given)
    assert F(derived["per_action"]["typical"]) * 7200 == F(derived["per_month"]["typical"]), derived
    for rate in ("4.99", "20.01", "{typical: 2, worst: 10}"):
        outcome = home.fails("M1913", 2, "cost", "action", feature(f"requests_per_hour: {rate}"))
        assert "rate.yaml:5:" in outcome.err and "make 10 an hour" in outcome.err, outcome
    warm = "keep_warm_seconds: 60"
    home.mrun("cost", "action", feature("requests_per_hour: 200", instances=warm))  # busy hours
    home.fails("M1913", 2, "cost", "action", feature("requests_per_hour: 4", instances=warm))
    # What an instance that waits costs hangs on how many come, on how many there are, and on the price.
    knobs = {knob["what"]: F(knob["change_percent"]) for knob in given["sensitivity"]}
    assert knobs["main: price"] == 50 and knobs["main: instances"] == 100, knobs
    assert abs(knobs["main: requests_per_hour"] + F(100, 3)) < F(1, 1000), knobs
    assert [knob["what"] for knob in given["sensitivity"]][0] == "main: instances", given["sensitivity"]
    quiet = home.mrun("cost", "action", feature("requests_per_hour: {typical: 10, worst: 1}"), "--json").json()["per_action"]
    assert F(quiet["worst"]) == 10 * F(quiet["typical"]), quiet
    for rate in ("0", "{typical: 1, worst: 0}"):
        home.fails("M1913", 2, "cost", "action", feature(f"requests_per_hour: {rate}"))
    quiet = home.mrun("cost", "estimate", "--assume", "seconds=1", "--instances", "1", "--per-hour", "10..1", "--provider", "L40S 48GB", "--json").json()
    always = next(line for line in quiet["offers"] if line["style"] == "deployment" and line["worst"])
    assert F(always["worst"]) > 9 * F(always["typical"]), always
    home.fails("M1004", 2, "cost", "estimate", "--assume", "seconds=1", "--per-hour", "10..0")


def hostile_files(home):
    call = "calls: [{name: a, price: {provider: groq, sku: gpt-oss-120b}, units: {input_tokens: 1, output_tokens: 1}}]\n"
    good = "feature: 1\nname: x\n" + call
    home.mrun("cost", "action", write(home, "f.yaml", good))
    for text, place in (("feature: 2\nname: x\n" + call, "f.yaml:1:10"), (good + "cals: 1\n", "f.yaml:4:1"),
                        (good.replace("input_tokens: 1", "input_tokens: -1"), "f.yaml:3:"), ("", "f.yaml:1:1"), ("[]", "f.yaml:1:1"),
                        (good.replace("input_tokens", "inputs"), "f.yaml:3:"), ("a: &b 1\nc: *b\n", "f.yaml:1:"),
                        (good.replace("input_tokens: 1", "input_tokens: {typical: 5, worst: 1}"), "f.yaml:3:"),
                        (good.replace("input_tokens: 1", "input_tokens: 1" + "0" * 400), "f.yaml:3:"),
                        ("feature: 1\nname: x\ncalls: [" + "{}," * 100 + "]\n", "f.yaml:3:"), ("[" * 10000, "f.yaml:1:")):
        outcome = home.fails("M1913", 2, "cost", "action", write(home, "f.yaml", text))
        assert place in outcome.err, (text[:80], outcome)
    near = home.fails("M1911", 5, "cost", "action", write(home, "f.yaml", good.replace("gpt-oss-120b", "gpt-oss-12b")))
    assert "gpt-oss-120b" in near.err, near
    several = home.fails("M1911", 5, "cost", "action", write(home, "f.yaml", good.replace("{provider: groq, sku: gpt-oss-120b}", "{provider: replicate, sku: T4 16GB}")))
    assert "product: public" in several.err, several
    # What is missing is named, never counted as 0.
    home.fails("M1914", 4, "cost", "action", write(home, "f.yaml", good.replace("input_tokens: 1, ", "")))
    home.fails("M1914", 4, "cost", "action", write(home, "f.yaml", good.replace("{provider: groq, sku: gpt-oss-120b}", "own").replace("units: {input_tokens: 1, output_tokens: 1}", "seconds: 1")))


def main(home):
    home.home.mkdir(parents=True, exist_ok=True)
    the_shipped_features_run(home)
    the_avatar_by_hand(home)
    all_that_moves(home)
    the_custom_api_by_hand(home)
    hostile_files(home)
    seeded_conversations(home)
    budgets_and_diffs(home)
    old_prices_decide_nothing(home)
    prices_of_the_file_are_prices(home)
    months_beside_instances(home)
    the_own_machine_waits_too(home)
    (home.home / "prices.json").unlink()
    one_feature_one_volume(home)


if __name__ == "__main__":
    run(main)
