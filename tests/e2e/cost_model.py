"""What things cost, written a second time from docs/formats/cost.md: fractions, no code of mrun."""

import math
from fractions import Fraction as F

SECONDS_OF = {"instance_s": 1, "gpu_s": 1, "instance_h": 3600, "gpu_h": 3600}


def up(value, step):
    return value if step == 0 else F(math.ceil(value / step)) * step


def text(value, places=12):
    """The shortest decimal, rounded half to even."""
    scaled = round(value * 10**places)  # Python rounds fractions half to even
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(places + 1, "0")
    whole, rest = digits[:-places], digits[-places:].rstrip("0")
    return sign + whole + ("." + rest if rest else "")


def decay(x):
    """e^-x as the documents round it: to 10^-12, of a double."""
    return F(round(math.exp(-float(x)) * 1e12), 10**12)


def runtime(rate, granularity, seconds):
    return rate * up(seconds, granularity)


def lone(rate, states, granularity, seconds, setup, warm):
    parts = [seconds if states["active"] else 0, setup if states.get("setup", 1) else 0, warm if states["idle"] else 0]
    return rate * up(F(sum(parts)), granularity)


def poisson(rate, states, seconds, setup, warm, per_second):
    cold = decay(per_second * warm)
    cost = rate * seconds if states["active"] else F(0)
    cost += rate * cold * setup if states.get("setup", 1) else 0
    return cost + (rate * (1 - cold) / per_second if states["idle"] else 0)


def conversation(turns, system, user, reply, window, cached):
    """What the turn before sent is found in the cache; what it answered was never sent, so it is read anew."""
    fresh = again = made = said = last = F(0)
    for turn in range(turns):
        before, sent = last, system + said + user
        if window is not None and sent > window:
            sent, before = window, system if turn else F(0)
        kept = min(before, sent) if cached else F(0)
        fresh, again, made, said, last = fresh + sent - kept, again + kept, made + reply, said + user + reply, sent
    return fresh, again, made


def action(first, retries, share, other):
    return (first + share * other) * (1 + retries)


# Shares, lines and bills: docs/formats/ledger.md.


def rounded(value):
    """To 10^-12, half to even."""
    return F(round(value * 10**12), 10**12)


def shares(stretches, except_while=()):
    """{name: nanoseconds of it that are its own}: while k of the stretches overlap, each has 1/k; none while one of the others is there."""
    edges = sorted({edge for _, begin, end in [*stretches, *except_while] for edge in (begin, end)})
    owned = {name: F(0) for name, _, _ in stretches}
    for begin, end in zip(edges, edges[1:]):
        there = [name for name, a, b in stretches if a <= begin and end <= b]
        if not any(a <= begin and end <= b for _, a, b in except_while):
            for name in there:
                owned[name] += F(end - begin, len(there))
    return owned


def line_amount(rate, per, billed_ns):
    return rounded(rate * billed_ns / (SECONDS_OF[per] * 10**9))


def vendor_line(row, state, duration_ns):
    """(billed_ns, amount) by the row's table of states; None where the source does not tell."""
    states = row["states"]
    if state == "aborted" and not states.get("aborted"):
        return 0, F(0)
    if duration_ns > 0 and state not in states:
        return None
    billed = duration_ns if states.get(state) else 0
    step = int(F(row["granularity_s"] or 0) * 10**9)
    if step and not states.get("idle"):  # a worker that is billed while it waits is one stretch: its lines are exact
        billed = -(-billed // step) * step
    return billed, line_amount(row["usd"], row["per"], billed)


# Estimates: docs/formats/cost.md, "Formulas". Amounts are (typical, worst); None is unknown.


def hour_rate(row):
    """A second's, with all the devices that are rented at once."""
    devices = max(1, int(row["dims"].get("gpu_count", 1))) if row["per"].startswith("gpu_") else 1
    return row["usd"] * devices / SECONDS_OF[row["per"]]


def can_serve(instances, seconds, per_hour):
    return per_hour / 3600 * seconds <= instances * F(4, 5)


def deployed(work, instances, typical_of, always_of, lone_of, setup_is_billed):
    """One request's cost, summed over the cases: by the rate of requests, always on, or alone and cold."""
    rate = work.get("per_hour")
    if any("seconds" not in case for case in work["cases"]):
        return None, None
    times = [case["seconds"] for case in work["cases"]]
    if instances:
        if rate is None or not all(can_serve(instances, t[0], rate[0]) and can_serve(instances, t[1], max(rate)) for t in times):
            return None, None
        return sum(always_of(t[0], rate[0] / 3600) for t in times), sum(always_of(t[1], min(rate) / 3600) for t in times)
    if "warm" not in work or (setup_is_billed and "setup" not in work):
        return None, None
    setup, warm = work.get("setup", (F(0), F(0))), work["warm"]
    typical = None if rate is None else sum(typical_of(t[0], setup[0], warm, rate[0] / 3600) for t in times)
    return typical, sum(lone_of(t[1], setup[1], warm) for t in times)


def offer(rows, work):
    """What the rows of one product make: all of a model's tokens, else one row."""
    row = rows[0]
    if row["kind"] == "token":
        price = {each["per"]: each["usd"] / 10**6 for each in rows}
        if not {"mtok_in", "mtok_out"} <= set(price) or any(not {"input_tokens", "output_tokens"} <= set(case) for case in work["cases"]):
            return None, None
        cached = price.get("mtok_cached_in", price["mtok_in"])
        nothing = (F(0), F(0))
        return tuple(sum(case["input_tokens"][i] * price["mtok_in"] + case.get("cached_tokens", nothing)[i] * cached
                         + case["output_tokens"][i] * price["mtok_out"] for case in work["cases"]) for i in (0, 1))
    if row["per"] not in SECONDS_OF:
        if any(row["per"] not in case for case in work["cases"]):
            return None, None
        return tuple(sum(row["usd"] * case[row["per"]][i] for case in work["cases"]) for i in (0, 1))
    states, step, rate = row["states"], F(row["granularity_s"] or 0), hour_rate(row)
    if "active" not in states:
        return None, None
    if not states.get("idle"):
        if any("seconds" not in case for case in work["cases"]):
            return None, None
        return tuple(sum(runtime(rate, step, case["seconds"][i]) * states["active"] for case in work["cases"]) for i in (0, 1))
    instances = work.get("instances", 0)
    return deployed(work, instances, lambda t, s, k, lam: poisson(rate, states, t, s, k, lam), lambda t, lam: rate * instances / lam,
                    lambda t, s, k: lone(rate, states, step, t, s, k), states.get("setup", 1))


def own(rate, work):
    if rate is None or any("seconds" not in case for case in work["cases"]):
        return None, None
    return tuple(sum(rate["rate"] / SECONDS_OF[rate["per"]] * case["seconds"][i] for case in work["cases"]) for i in (0, 1))


def own_deployment(rate, work):
    """One machine, whatever is asked for: work and loads at the rate, waiting at the idle rate."""
    if rate is None or rate.get("idle_rate") is None:
        return None, None
    busy, idle = (rate[key] / SECONDS_OF[rate["per"]] for key in ("rate", "idle_rate"))

    def typical(t, s, k, lam):
        cold = decay(lam * k)
        return busy * (t + cold * s) + idle * (1 - cold) / lam
    return deployed(work, min(work.get("instances", 0), 1), typical, lambda t, lam: busy * t + idle * (1 / lam - t),
                    lambda t, s, k: busy * (s + t) + idle * k, True)


def own_units(amounts, work):
    if amounts[0] is None:
        return {}
    def count(unit):
        return sum(case[unit][0] for case in work["cases"]) if all(unit in case for case in work["cases"]) else None
    units = {unit: tuple(amount / count(unit) for amount in amounts) for unit in ("image", "megapixel", "video_s") if count(unit)}
    read, made = count("input_tokens"), count("output_tokens")
    if read is not None and made is not None and read + made > 0:
        alike = read / 4 + made
        units["mtok_in"] = tuple(amount / alike / 4 * 10**6 for amount in amounts)
        units["mtok_out"] = tuple(amount / alike * 10**6 for amount in amounts)
    return units
