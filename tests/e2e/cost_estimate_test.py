"""Goal: estimates of every pricing style equal a second implementation that shares no code, over many seeded cases."""

import datetime
import json
import random
from fractions import Fraction as F

import cost_model as model
from harness import run

TODAY = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
TIME_UNITS = {"instance_s": (1e-5, 0.04), "gpu_s": (0.0001, 0.005), "instance_h": (0.05, 100), "gpu_h": (0.1, 19)}
UNITS = {"image": (0.001, 1), "megapixel": (0.001, 1), "video_s": (0.01, 2), "request": (0.001, 5)}


def decimal(random_, low, high, places=9):
    return F(round(random_.uniform(low, high) * 10**places), 10**places)


def price_rows(random_):
    """Rows of every style, with every combination of billed states."""
    rows = []
    for number in range(40):
        per = random_.choice(list(TIME_UNITS))
        states = {"active": random_.choice([1, 1, 1, 0]), "idle": number % 2}
        if random_.random() < 0.8:
            states["setup"] = random_.randint(0, 1)
        rows.append({"sku": f"time {number}", "kind": "runtime", "per": per, "usd": decimal(random_, *TIME_UNITS[per]),
                     "states": states, "granularity_s": random_.choice([None, F(1, 1000), 1, 60])})
    for number in range(20):
        per = random_.choice(list(UNITS))
        rows.append({"sku": f"unit {number}", "kind": per, "per": per, "usd": decimal(random_, *UNITS[per])})
    for number in range(8):
        for per in ("mtok_in", "mtok_out", "mtok_cached_in")[: 2 + number % 2]:
            rows.append({"sku": f"token {number}", "kind": "token", "per": per, "usd": decimal(random_, 0.01, 90)})
    return rows


def book_text(rows):
    lines = []
    for row in rows:
        full = {"provider": "seeded", "dims": {}, "states": row.get("states"), "read_on": TODAY, "source": "seed", "confidence": "A",
                "sku": row["sku"], "kind": row["kind"], "per": row["per"]}
        step = row.get("granularity_s")
        line = json.dumps(full)[:-1] + f', "usd": {model.text(row["usd"])}, "granularity_s": {"null" if step is None else model.text(F(step))}}}'
        lines.append(line)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def work_of(random_):
    names = {"seconds": (0.01, 90), "setup": (0, 200), "image": (0, 9), "megapixel": (0, 20), "video_s": (0, 60),
             "request": (1, 5), "input_tokens": (0, 90000), "cached_tokens": (0, 5000), "output_tokens": (0, 9000)}
    work = {}
    for name, (low, high) in names.items():
        typical = decimal(random_, low, high, 6)
        work[name] = (typical, typical + decimal(random_, 0, high, 6))
    return work


def expected_of(rows, work, warm, per_hour):
    """{sku: (typical, worst)} by the model."""
    amounts = {}
    for row in rows:
        rate, per = row["usd"], row["per"]
        if per in model.SECONDS_OF:
            rate /= model.SECONDS_OF[per]
            step, states = F(row["granularity_s"] or 0), row["states"]
            if not states["idle"]:
                amounts[row["sku"]] = tuple(model.runtime(rate, step, t) * states["active"] for t in work["seconds"])
                continue
            typical = model.poisson(rate, states, work["seconds"][0], work["setup"][0], warm, per_hour / 3600)
            amounts[row["sku"]] = (typical, model.lone(rate, states, step, work["seconds"][1], work["setup"][1], warm))
        elif per in UNITS:
            amounts[row["sku"]] = tuple(rate * n for n in work[per])
    for sku in {row["sku"] for row in rows if row["kind"] == "token"}:
        price = {row["per"]: row["usd"] / 10**6 for row in rows if row["sku"] == sku}
        cached = price.get("mtok_cached_in", price["mtok_in"])
        amounts[sku] = tuple(work["input_tokens"][i] * price["mtok_in"] + work["cached_tokens"][i] * cached
                             + work["output_tokens"][i] * price["mtok_out"] for i in (0, 1))
    return amounts


def main(home):
    checked, styles = 0, set()
    home.home.mkdir(parents=True, exist_ok=True)
    for seed in range(25):
        random_ = random.Random(seed)
        rows = price_rows(random_)
        (home.home / "prices.json").write_text(book_text(rows))
        own = decimal(random_, 0.01, 9)
        (home.home / "config.yaml").write_text(f'cost: {{rate: "{model.text(own)}", per: instance_h, currency: USD}}\n')
        work, warm, per_hour = work_of(random_), F(random_.randint(0, 1200)), F(random_.randint(1, 500))
        assumed = [word for name, (a, b) in work.items() for word in ("--assume", f"{name}={model.text(a)}..{model.text(b)}")]
        result = home.mrun("cost", "estimate", *assumed, "--provider", "seeded", "--keep-warm", f"{warm}s",
                           "--per-hour", f"{per_hour}", "--json").json()
        wanted = expected_of(rows, work, warm, per_hour)
        assert {line["sku"] for line in result["offers"]} == set(wanted), seed
        for line in result["offers"]:
            typical, worst = wanted[line["sku"]]
            assert (line["typical"], line["worst"]) == (model.text(typical), model.text(worst)), (seed, line, float(typical), float(worst))
            styles.add(line["style"])
            checked += 1
        assert result["own"]["typical"] == model.text(own / 3600 * work["seconds"][0]), result["own"]
    assert styles == {"runtime", "image", "video", "token", "request", "deployment"}, styles
    print(f"{checked} amounts are equal")


if __name__ == "__main__":
    run(main)
