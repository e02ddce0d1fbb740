"""Goal: over 1,000 seeded ledgers, estimates and features, every bill, share and amount equals a second implementation that shares no code."""

import json
import random
import subprocess
from fractions import Fraction as F

import cost_model as model
from cost_estimate_test import TIME_UNITS, TODAY, UNITS, decimal
from harness import BUILD, run

SEEDS = 1000
STATUS = ["succeeded", "succeeded", "succeeded", "failed", "canceled", "aborted"]
STATE = {"succeeded": "active", "failed": "failed", "canceled": "canceled", "aborted": "aborted"}
NS = 60  # of all times: up to six that share a stretch have whole nanoseconds


def book_text(rows):
    lines = []
    for row in rows:
        full = {"provider": "seeded", "dims": row["dims"], "states": row["states"] or None, "read_on": TODAY, "source": "seed", "confidence": "A",
                "sku": row["sku"], "kind": row["kind"], "per": row["per"]}
        step = row["granularity_s"]
        lines.append(json.dumps(full)[:-1] + f', "usd": {model.text(row["usd"])}, "granularity_s": {"null" if step is None else model.text(F(step))}}}')
    return "[\n" + ",\n".join(lines) + "\n]\n"


def time_row(random_, sku, states):
    per = random_.choice(list(TIME_UNITS))
    dims = {"gpu_count": random_.choice([1, 2, 8])} if random_.random() < 0.5 else {}
    return {"sku": sku, "kind": "runtime", "per": per, "usd": decimal(random_, *TIME_UNITS[per]), "dims": dims, "states": states,
            "granularity_s": random_.choice([None, F(1, 1000), 1, 60])}


def some_states(random_, names):
    return {name: random_.randint(0, 1) for name in names if random_.random() < 0.7}


def own_rate(random_):
    if random_.random() < 0.1:
        return None
    rate = {"rate": decimal(random_, 0.01, 9), "per": random_.choice(["instance_h", "instance_s"])}
    if random_.random() < 0.8:
        rate["idle_rate"] = decimal(random_, 0, 2)
    return rate


def texts(value):
    """Numbers as the program reads and writes them."""
    if isinstance(value, F):
        return model.text(value)
    if isinstance(value, dict):
        return {key: texts(item) for key, item in value.items()}
    return [texts(item) for item in value] if isinstance(value, (list, tuple)) else value


# Ledgers: workers load, run one or two predictions at once, wait, and go.


class Timeline:
    def __init__(self, random_):
        self.random, self.now, self.events, self.status = random_, 10**9 * NS, [], {}
        self.loads, self.runs, self.waits = [], [], []  # (name, begin, end); runs with their worker
        self.open, self.waiting, self.loading = {}, {}, {}
        self.workers = 0

    def event(self, what, member, worker):
        self.now += NS * self.random.randint(1, 10**self.random.randint(0, 8))
        self.events.append([self.now, what, member, worker])

    def stop_waiting(self, worker):
        if worker in self.waiting:
            begin = self.waiting.pop(worker)
            self.waits.append((f"{worker} waits {begin}", begin, self.now))

    def step(self, ending):
        random_ = self.random
        at_work = len(self.open) + len(self.loading)
        loaded = set(self.waiting) | {worker for worker, _ in self.open.values()}
        choices = [("loaded", name) for name in self.loading] + [("end", name) for name in self.open]
        if not ending:
            if self.workers < 3 and at_work < 5:
                choices.append(("load", f"w{self.workers}"))
            if at_work < 5:
                choices += [("begin", worker) for worker in loaded if sum(w == worker for w, _ in self.open.values()) < 2] * 2
        if ending or random_.random() < 0.1:
            choices += [("gone", worker) for worker in self.waiting]
        if not choices:
            return False
        what, who = random_.choice(sorted(choices))
        if what == "load":
            self.event(what, f"load {who}", who)
            self.loading[who], self.workers = self.now, self.workers + 1
        elif what == "loaded":
            self.event(what, f"load {who}", who)
            self.loads.append((f"load {who}", self.loading.pop(who), self.now))
            self.waiting[who] = self.now
        elif what == "begin":
            name = f"p{len(self.status)}"
            self.event(what, name, who)
            self.stop_waiting(who)
            self.open[name], self.status[name] = (who, self.now), random_.choice(STATUS)
        elif what == "end":
            worker, begin = self.open.pop(who)
            self.event(what, who, worker)
            self.runs.append((who, begin, self.now, worker))
            if all(w != worker for w, _ in self.open.values()):
                self.waiting[worker] = self.now
        else:
            self.event(what, who, who)
            self.stop_waiting(who)
        return True


def ledger_case(random_):
    line = Timeline(random_)
    for _ in range(random_.randint(5, 40)):
        line.step(False)
    while line.step(True):
        pass
    rate = own_rate(random_)
    row = None if random_.random() < 0.1 else time_row(random_, "x", some_states(random_, ["setup", "active", "idle", "failed", "canceled", "aborted"]))
    given = {"own": rate, "row": row and book_text([row]), "events": line.events, "status": line.status}
    return {"ledger": given}, expected_ledger(line, rate, row)


def expected_ledger(line, rate, row):
    work = line.loads + [run[:3] for run in line.runs]
    machine, idle = model.shares(work), model.shares(line.waits, except_while=work)
    within = {}
    for worker in {run[3] for run in line.runs}:
        within |= model.shares([run[:3] for run in line.runs if run[3] == worker])
    lines = {}

    def add(name, kind, billed, state, vendor_ns):
        own, rate_of_kind = None, rate and rate.get("idle_rate" if kind == "idle" else "rate")
        if rate_of_kind is not None:
            own = {"amount": model.text(model.line_amount(rate_of_kind, rate["per"], billed)), "billed_ns": billed}
        vendor = row and model.vendor_line(row, state, vendor_ns)
        lines[name] = {"own": own, "reference": vendor and {"amount": model.text(vendor[1]), "billed_ns": vendor[0]}}

    for name, begin, end in line.loads:
        add(name, "setup", int(machine[name]), "setup", end - begin)
    for name, begin, end, _ in line.runs:
        status = line.status[name]
        add(name, "prediction", 0 if status == "aborted" else int(machine[name]), STATE[status], int(within[name]))
    for name, begin, end in line.waits:
        add(name, "idle", int(idle[name]), "idle", end - begin)
    # A second of the machine is billed once: all shares together are the time in which anything was loaded.
    assert sum(machine.values()) + sum(idle.values()) <= line.now
    sums = [model.text(sum((F(each[side]["amount"]) for each in lines.values() if each[side]), F(0))) for side in ("own", "reference")]
    return {"lines": lines, "own_sum": sums[0], "reference_sum": sums[1]}


# Estimates: every style, one to three cases, scaled to zero or always on.


def price_rows(random_):
    rows = [time_row(random_, f"time {n}", some_states(random_, ["active", "active", "setup"]) | ({"idle": n % 2} if n else {})) for n in range(8)]
    for per in UNITS:
        rows.append({"sku": per, "kind": per, "per": per, "usd": decimal(random_, *UNITS[per]), "dims": {}, "states": {}, "granularity_s": None})
    for number in range(3):
        for per in ("mtok_in", "mtok_out", "mtok_cached_in")[: number + 1]:
            rows.append({"sku": f"token {number}", "kind": "token", "per": per, "usd": decimal(random_, 0.01, 90), "dims": {}, "states": {}, "granularity_s": None})
    return rows


def pair(random_, low, high, places=6):
    typical = decimal(random_, low, high, places)
    return typical, typical + decimal(random_, 0, high, places)


def some_work(random_):
    amounts = {"seconds": (0.01, 90), "image": (0, 9), "megapixel": (0, 20), "video_s": (0, 60), "request": (1, 5),
               "input_tokens": (0, 90000), "cached_tokens": (0, 5000), "output_tokens": (0, 9000)}
    known = [name for name in amounts if random_.random() < 0.9]
    work = {"cases": [{name: pair(random_, *amounts[name]) for name in known if random_.random() < 0.98} for _ in range(random_.randint(1, 3))]}
    if random_.random() < 0.9:
        work["setup"] = pair(random_, 0, 200)
    if random_.random() < 0.9:
        work["warm"] = F(random_.randint(0, 1200))
    if random_.random() < 0.8:
        work["per_hour"] = pair(random_, 0.5, 300)[:: random_.choice([1, -1])]  # few may be the worst case
    if random_.random() < 0.4:
        work["instances"] = F(random_.randint(1, 12))
    return work


def estimate_case(random_):
    rows, rate, work = price_rows(random_), own_rate(random_), some_work(random_)
    skus = {}
    for row in rows:
        skus.setdefault(row["sku"], []).append(row)
    here = model.own(rate, work)
    wanted = {"offers": {sku: model.offer(same, work) for sku, same in skus.items()}, "own": here,
              "own_deployment": model.own_deployment(rate, work), "own_units": model.own_units(here, work), "refused": 0}
    return {"estimate": {"book": book_text(rows), "own": texts(rate), "work": texts(work)}}, texts(wanted)


# Features: retries and fallbacks with retries of their own, instances that are always on, spikes, a month.


def ranged(value):
    return {"typical": model.text(value[0]), "worst": model.text(value[1])}


OWN = {"rate": F(1, 1000), "idle_rate": F(1, 2500), "per": "instance_s"}


def some_rate(random_, even, at_most):
    """Requests an hour, when it is said: near what the actions make, the worst more or fewer; None where they follow from the actions."""
    typical = decimal(random_, float(even[0]) * 0.6, float(even[0]) * at_most, 6)
    if random_.random() < 0.5 or even[0] < F(1, 100):
        return None
    return typical, decimal(random_, float(typical) * 0.3, float(typical) * 3, 6)


def some_call(random_, rows, name, asked, owned):
    """(as feature.yaml has it, its facts: (typical, worst) once and by use, what of a month is an instance's, its instances and longest time)."""
    kind = random_.choice(["unit", "here", "own", "own zero", "own always", "runtime", "zero", "always"])
    if kind == "own always" and owned:  # it is one machine
        kind = "own"
    owned += ["it"] * (kind == "own always")
    times, retries = pair(random_, 0, 3), pair(random_, 0, 0.4)
    call = {"name": name, "times": ranged(times), "retry_rate": ranged(retries)}
    requests = tuple(asked[i] * times[i] * (1 + retries[i]) for i in (0, 1))
    facts = {"times": times, "retries": retries, "requests": requests, "instances": 0, "kind": kind}
    seconds, standing = pair(random_, 0.1, 20), F(0)
    if kind in ("unit", "here"):
        unit, count = random_.choice(list(UNITS)), pair(random_, 0, 9)
        price = next(row["usd"] for row in rows if row["sku"] == unit)
        call["price"] = {"provider": "seeded", "sku": unit}
        if kind == "here":
            price = decimal(random_, 0.001, 2)
            call["price"] = {"usd": model.text(price), "per": unit, "source": "seed", "read_on": TODAY}
        call["units"] = {unit: ranged(count)}
        once = tuple(price * n for n in count)
    elif kind == "own":
        call |= {"price": "own", "seconds": ranged(seconds)}
        once = tuple(OWN["rate"] * t for t in seconds)
    else:
        row = next(row for row in rows if row["sku"] == {"runtime": "public"}.get(kind, "deployed"))
        always = kind.endswith("always")
        said = some_rate(random_, requests, 1.9 if always else 5)
        work = {"cases": [{"seconds": seconds}], "setup": pair(random_, 0, 100), "per_hour": said or requests}
        call |= {"price": "own" if kind.startswith("own") else {"provider": "seeded", "sku": row["sku"]}, "seconds": ranged(seconds), "setup_seconds": ranged(work["setup"])}
        if said:
            call["requests_per_hour"] = ranged(said)
        if always:
            work["instances"] = F(random_.randint(1, 6))
            call["instances"] = model.text(work["instances"])
            facts["instances"] = 1 if kind == "own always" else work["instances"]
            standing = OWN["idle_rate"] * 3600 if kind == "own always" else model.hour_rate(row) * work["instances"] * 3600
        else:
            work["warm"] = F(random_.randint(0, 900))
            call["keep_warm_seconds"] = model.text(work["warm"])
        once = model.own_deployment(OWN, work) if kind.startswith("own") else model.offer([row], work)
    facts |= {"once": once, "seconds": seconds, "month": standing * 720, "by_use": once}
    if once[0] is not None:
        facts["once"] = facts["by_use"] = once[0], max(once)
    if standing and once[0] is not None:
        by_use = once[0] - standing / work["per_hour"][0]
        facts["by_use"] = by_use, max(by_use, once[1] - standing / min(work["per_hour"]))
    return call, facts


def feature_case(random_):
    rows = price_rows(random_)
    rows += [time_row(random_, "public", {"active": 1, "idle": 0}), time_row(random_, "deployed", {"active": 1, "setup": 1, "idle": 1})]
    calls, actions, owned = [], pair(random_, 1, 20000, 0), []
    spike = (F(1), F(0)) if random_.random() < 0.3 else (decimal(random_, 1, 20, 2), F(random_.randint(0, 30)))
    action, month, fails = [F(0), F(0)], [F(0), F(0)], False
    for number in range(random_.randint(1, 3)):
        asked = tuple(count / 720 for count in actions)
        call, first = some_call(random_, rows, f"call {number}", asked, owned)
        share, other = (F(0), F(0)), None
        if random_.random() < 0.5:
            share = tuple(sorted((decimal(random_, 0.001, 1, 3), decimal(random_, 0.001, 1, 3))))
            fallback, other = some_call(random_, rows, "other", tuple(first["requests"][i] * share[i] for i in (0, 1)), owned)
            call["fallback"] = fallback | {"share": ranged(share)}
        calls.append(call)
        sides = [first] + ([other] if other else [])
        for side in sides:
            busiest = side["requests"][1] * (spike[0] if spike[1] > 0 else 1)
            fails = fails or side["once"][0] is None or (side["instances"] and not model.can_serve(side["instances"], side["seconds"][1], busiest))
        if fails:
            continue
        for i in (0, 1):
            def each(key):
                return share[i] * other[key][i] * other["times"][i] * (1 + other["retries"][i]) if other else F(0)
            again = first["times"][i] * (1 + first["retries"][i])
            action[i] += (first["once"][i] + each("once")) * again
            spiked = 1 + (spike[0] - 1) * spike[1] / 30 if i else 1
            month[i] += sum(side["month"] for side in sides) + (first["by_use"][i] + each("by_use")) * again * actions[i] * spiked
    text = {"feature": 1, "name": "seeded", "actions_per_month": ranged(actions), "spike": {"factor": model.text(spike[0]), "days": model.text(spike[1])}, "calls": calls}
    given = {"book": book_text(rows), "own": texts(OWN), "yaml": json.dumps(text)}
    return {"feature": given}, {"error": True} if fails else texts({"per_action": action, "per_month": month})


def main(_home):
    cases = []
    for seed in range(SEEDS):
        random_ = random.Random(seed)
        cases += [(seed, *make(random_)) for make in (ledger_case, estimate_case, feature_case)]
    said = subprocess.run([BUILD / "daemon/tests/cost_batch"], input="".join(json.dumps(texts(given)) + "\n" for _, given, _ in cases),
                          capture_output=True, text=True, check=True, timeout=600).stdout.splitlines()
    assert len(said) == len(cases)
    lines, amounts, unknown, refused = 0, 0, 0, 0
    for (seed, given, wanted), answer in zip(cases, map(json.loads, said)):
        if "error" in answer:
            assert "error" in wanted, (seed, answer, wanted)
            assert "can't serve that many" in answer["error"], (seed, answer)
            refused += 1
            continue
        for key, value in wanted.items():
            if isinstance(value, dict):
                wrong = {name: (answer[key].get(name), value.get(name)) for name in {*value, *answer[key]} if answer[key].get(name) != value.get(name)}
                assert not wrong, (seed, key, wrong)
            assert answer[key] == value, (seed, key, answer[key], value)
        lines += len(answer.get("lines", ()))
        for pair_ in answer.get("offers", {}).values():
            amounts += sum(each is not None for each in pair_)
            unknown += sum(each is None for each in pair_)
    features = SEEDS - refused
    assert min(lines, amounts, unknown) > SEEDS and features > SEEDS / 4 and refused > SEEDS / 20, (lines, amounts, unknown, features, refused)
    print(f"{lines} lines of {SEEDS} ledgers, {amounts} amounts and {unknown} unknown ones of {SEEDS} estimates, {features} features and {refused} refused are equal")


if __name__ == "__main__":
    run(main)
