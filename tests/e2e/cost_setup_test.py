"""Goal: the user's own machine: asked once, kept in config.yaml beside what is there, and what predictions then cost."""

import json

from harness import run
from screen import Screen

MACHINE = {"--price": "2000", "--watts-active": "450", "--watts-idle": "60", "--kwh": "0.15"}


def flags(**changes):
    return [word for pair in (MACHINE | {"--" + name.replace("_", "-"): value for name, value in changes.items()}).items() for word in pair]


def on_a_terminal(home, config):
    """Each question says its unit and its default; a wrong answer is asked for again, and Ctrl-D changes nothing."""
    before = config.read_text()
    screen = Screen(home, "cost", "setup", "--currency", "EUR")
    for question, answer in (("What did the machine cost, in EUR? ", "much"), ("is not a", None), ("What did the machine cost, in EUR? ", "1,000"),
                             ("What did the machine cost, in EUR? ", "2000"), ("sell it, in EUR? [0] ", ""), ("How many years will it serve? [3] ", ""),
                             ("at work? ", "450"), ("while it waits? ", "60"), ("kilowatt-hour cost, in EUR? ", "0.15")):
        screen.then(question)
        if answer is not None:
            screen.type(answer + "\n")
    assert "an hour at work costs 0.1436 EUR" in screen.end().left(), screen.shown
    assert "EUR" in config.read_text()
    config.write_text(before)
    screen = Screen(home, "cost", "setup").until("cost, in USD? ").type("\x04\x04\x04").end(2)
    assert "M1916" in screen.left() and config.read_text() == before, screen.shown


def main(home):
    home.home.mkdir(parents=True, exist_ok=True)
    config = home.home / "config.yaml"
    config.write_text("# mine\nmax_queue: 7\ncost: {rate: \"9\",\n  per: instance_h, currency: EUR}\n# below\nidle_unload: 10m\n")
    said = home.mrun("cost", "setup", *flags())
    assert "0.1436 at 100 %  0.2287 at 50 %  0.3989 at 25 %  1.761 at 5 %" in said.out, said
    text = config.read_text()
    assert all(line in text for line in ("# mine", "max_queue: 7", "# below", "idle_unload: 10m")) and "EUR" not in text, text
    # 2000 / 26280 h + 0.45 kW x 0.15, and + 0.06 kW x 0.15.
    setup = home.mrun("cost", "setup", *flags(), "--json").json()
    assert (setup["rate"], setup["idle_rate"]) == ("0.143603500761", "0.085103500761"), setup
    assert config.read_text().count("cost:") == 1
    small = home.mrun("cost", "setup", *flags(price="1", years="30", watts_active="0.01", watts_idle="0.001", kwh="0.01"))
    assert "work costs 0.000003905 USD, an hour of waiting 0.000003815 USD" in small.out, small
    spread = home.mrun("cost", "setup", *flags(utilisation="5%"), "--json").json()
    assert spread["rate"].startswith("1.7605") and spread["idle_rate"] == "0", spread

    for wrong in ({"price": "-1"}, {"price": "x"}, {"price": "1e9"}, {"kwh": "101"}, {"resale": "3000"}, {"years": "0"},
                  {"watts_idle": "500"}, {"currency": "dollars"}, {"utilisation": "0"}):
        home.fails("M1916", 2, "cost", "setup", *flags(**wrong))
    missing = home.fails("M1916", 2, "cost", "setup", "--price", "2000", input="")
    assert "--watts-active" in missing.err, missing
    on_a_terminal(home, config)

    # The daemon bills by it, and an estimate says before what the ledger says afterwards.
    home.mrun("cost", "setup", "--price", "26280", "--watts-active", "0", "--watts-idle", "0", "--kwh", "0", "--tflops", "1", "--memory-gbs", "20")
    home.model("test/work", inputs="ms: {type: integer, default: 20, ge: 0, le: 5000}\nmode: {type: string, default: slow}")
    home.fails("M1914", 4, "cost", "estimate", "test/work", "-i", "ms=30")
    cases = home.path / "cases.jsonl"
    cases.write_text("".join(json.dumps({"ms": ms}) + "\n" for ms in (10, 25, 40, 60)))
    made = home.mrun("cost", "estimate", "test/work", "--inputs", cases, "--calibrate", cases, "--run", "--json").json()
    check, rows = made["check"], home.mrun("ledger", "--json", "--tag", f"estimate={made['id']}").json()["rows"]
    assert made["case_count"] == check["prediction_count"] == len(rows) == 4
    assert check["actual_ns"] == sum(row["duration_ns"] for row in rows), (check, rows)
    off = (made["seconds"]["typical_ns"] - check["actual_ns"]) / check["actual_ns"] * 100
    assert abs(float(check["time_off_percent"]) - off) < 0.01, (check, off)
    assert made["driver"] == "ms" and made["own"]["currency"] == "USD", made
    # Above a thousand seconds too.
    long = home.mrun("cost", "estimate", "test/work", "--assume", "seconds=1000..2000", "--json").json()
    assert long["seconds"] == {"typical_ns": 10**12, "worst_ns": 2 * 10**12}, long["seconds"]
    assert "typical 0" not in home.mrun("cost", "estimate", "--assume", "seconds=1000").out
    home.mrun("predict", "test/work", "-i", "ms=15", "--tag", f"estimate={long['id']}")
    late = home.mrun("cost", "check", long["id"], "--json").json()
    assert late["estimated_ns"] == 10**12 and late["time_off_percent"], late
    # Projections are ranges, marked, and feasible first.
    projected = {line["device"]: line for line in made["projected"]}
    assert len(projected) == 3 and all(p["label"] == "projected" for p in projected.values()), projected
    assert all(isinstance(p["seconds"]["least_ns"], int) and p["seconds"]["least_ns"] < p["seconds"]["most_ns"] for p in projected.values()), projected
    # Each has a price, by the row's own billing, or says why it has none.
    t4 = projected["T4"]["price"]
    assert "rounded up" in t4["formula"] and float(t4["least"]) >= 4 * 0.000225, t4  # four predictions, a second each at least
    assert "80GB" in projected["A100 80GB SXM"]["price"]["name"], projected
    assert "--keep-warm" in projected["H100 SXM"]["no_price"], projected["H100 SXM"]
    warm = home.mrun("cost", "estimate", "test/work", "--inputs", cases, "--keep-warm", "60s", "--json").json()["projected"][2]
    hourly = home.mrun("prices", "ls", "h100", "sxm", "--per", "gpu_h", "--json").json()
    assert "setup" in warm["price"]["formula"] and float(warm["price"]["least"]) > 4 * 60 * 2 / 3600, (warm, hourly)
    # A device's name is the table's, however it is spelled.
    def offered(name):
        return {(line["provider"], line["sku"]) for line in home.mrun("cost", "estimate", "test/work", "--on", name, "--json").json()["offers"] if line["style"] in ("runtime", "deployment")}
    assert offered("t4") == offered("T4") != set(), offered("t4")
    assert any("80GB" in sku for _, sku in offered("a100 80gb sxm")), offered("a100 80gb sxm")
    even = home.mrun("cost", "estimate", "test/work", "--on", "T4", "--assume", "seconds=2")
    assert "always on pays from" in even.out, even
    even = home.mrun("cost", "estimate", "test/work", "--on", "T4", "--assume", "seconds=2", "--json").json()["break_even"]
    assert abs(float(even["predictions_per_hour"]) - float(even["always_on"]["an_hour"]) / float(even["by_use"]["a_prediction"])) < 1e-5, even
    # Rows of one name say what tells them apart, and prices by units that the model does not give are no news.
    text = home.mrun("cost", "estimate", "--assume", "seconds=2", "--assume", "setup=9", "--keep-warm", "60s", "--provider", "huggingface").out
    where = [tuple(line.split("  ", 1)[1].strip().rsplit("  ", 4)[:1]) for line in text.splitlines() if line.startswith("deployment  hugging")]
    assert where and len(where) == len(set(where)) and any("cloud=" in one for (one,) in where), text
    text = home.mrun("cost", "estimate", "test/work", "-i", "ms=15").out
    assert "a prediction gives" not in text and "tokens go in" not in text and "not estimated: " in text, text
    odd = home.mrun("cost", "estimate", "test/work", "--dtype", "bf16", "--json").json()["projected"]
    assert "no units for bf16" in odd[0]["not_feasible"], odd

    # Amounts of two currencies have no sum, and none is compared with an estimate in another one.
    both = home.mrun("cost", "estimate", "test/work", "--inputs", cases, "--json").json()["id"]
    machine = ("--price", "26280", "--watts-active", "0", "--watts-idle", "0", "--kwh", "0", "--tflops", "1", "--memory-gbs", "20")
    for currencies in ({"USD"}, {"USD", "JPY"}):
        home.mrun("predict", "test/work", "-i", "ms=15", "--tag", f"estimate={both}")
        check = home.mrun("cost", "check", both, "--json").json()
        assert set(check["actual_amounts"]) == currencies and (check["currency"] is None) == (len(currencies) > 1), check
        assert (check["amount_off_percent"] is None) == (len(currencies) > 1) == (check["no_amount"] is not None), check
        home.mrun("cost", "setup", *machine, "--currency", "JPY")
    assert "several currencies" in home.mrun("cost", "check", both).out and "share of the estimate" in home.mrun("cost", "check", both).out
    other = home.mrun("cost", "estimate", "test/work", "-i", "ms=15", "--json").json()["id"]
    home.mrun("cost", "setup", *machine)
    home.mrun("predict", "test/work", "-i", "ms=15", "--tag", f"estimate={other}")
    check = home.mrun("cost", "check", other, "--json").json()
    assert check["amount_off_percent"] is None and check["no_amount"] == "the estimate is in another currency", check

    # Later, by the tag.
    plain = home.mrun("cost", "estimate", "test/work", "-i", "ms=15", "--json").json()
    home.fails("M1914", 4, "cost", "check", plain["id"])
    home.mrun("predict", "test/work", "-i", "ms=15", "--tag", f"estimate={plain['id']}")
    assert "ran 1 of 1" in home.mrun("cost", "check", plain["id"]).out
    for wrong in ("e0000000000000000", "../../x", "x"):
        home.fails("M1914", 4, "cost", "check", wrong)


run(main)
