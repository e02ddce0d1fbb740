"""Goal: what `mrun bench` measures is true: service times, cold costs, queues by theory, drift, and the gate's verdicts.

These compare times: figures are ratios or bounds that hold on a busy machine, and a result that says of itself that it
is not valid is measured once more. usage with a part's name: only that part, as `slow_bench_truth_test.py queue`
"""

import math
import statistics
import sys

from harness import run

MS = 1_000_000


def bench(home, *args, tries=2):
    """The first valid result, whatever it says; what was not valid is shown."""
    for _ in range(tries):
        outcome = home.try_mrun("bench", *args, "--json", timeout=900)
        assert outcome.code in (0, 3, 9), outcome
        result = outcome.json()
        if result["valid"]:
            return result
        print("not valid:", result["invalid_reasons"], file=sys.stderr)
    raise AssertionError(f"no valid result in {tries} tries")


def service(home):
    home.model("truth/service")
    result = bench(home, "truth/service", "--mode", "warm", "--duration", "10s", "-i", "mode=slow:20")
    p50 = result["warm"]["latency"]["p50"] / MS
    print(f"service 20 ms: p50 {p50:.3f} ms, overhead p50 {result['warm']['overhead']['p50'] / MS:.3f} ms")
    assert 20 <= p50 <= 22, p50


def cold(home):
    home.model("truth/cold", options="mode: slow_load:300")
    plain = home.model("truth/plain")
    assert plain
    dear = bench(home, "truth/cold", "--mode", "cold", "-n", "10")
    cheap = bench(home, "truth/plain", "--mode", "cold", "-n", "10")
    difference = (dear["cold"]["total"]["p50"] - cheap["cold"]["total"]["p50"]) / MS
    build = statistics.median(one["phases_ns"]["build"] for one in dear["cold"]["runs"]) / MS
    print(f"a load of 300 ms: total differs by {difference:.1f} ms, phase build {build:.1f} ms")
    assert abs(difference - 300) <= 30 and 300 <= build <= 310, (difference, build)


class Random:
    """xoshiro256** as the generator's schedule draws it (cli/bench/stats/random.h), written once more."""

    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & self.MASK
            mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & self.MASK
            self.state.append(mixed ^ (mixed >> 31))

    def next(self):
        rotate = lambda value, by: ((value << by) | (value >> (64 - by))) & self.MASK
        s = self.state
        result = (rotate((s[1] * 5) & self.MASK, 7) * 9) & self.MASK
        shifted = (s[1] << 17) & self.MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotate(s[3], 45)
        return result

    def exponential(self):
        return -math.log1p(-((self.next() >> 11) * 2.0 ** -53))


def lindley(rate, seconds, seed, service_s):
    """Mean time in the system of exactly that sequence of arrivals."""
    draw, at, free, total, count = Random(seed), 0.0, 0.0, 0.0, 0
    while (at := at + draw.exponential() / rate) < seconds:
        free = max(free, at) + service_s
        total += free - at
        count += 1
    return total / count


def md1(rate, service_s):
    """Mean time in an M/D/1 system (Pollaczek–Khinchine): service and the wait for those before."""
    load = rate * service_s
    return service_s + load * service_s / (2 * (1 - load))


def theory_error(rate, seconds, service_s, seeds):
    """Standard error of the mean over that many sequences of arrivals, relative: what luck does to the theory itself."""
    means = [lindley(rate, seconds, seed, service_s) for seed in range(1000, 1040)]
    return statistics.stdev(means) / statistics.mean(means) / math.sqrt(seeds)


def queue(home):
    """Poisson arrivals at one server with a fixed service time: what was injected, and what a prediction costs without it.

    Each seed is compared with the queue of exactly its arrivals, which has no luck in it; all seeds together with
    the analytic mean. The seeds are the first three."""
    home.model("truth/queue")
    injected_s, rate, seconds, seeds = 0.020, 20, 240, (1, 2, 3)
    bare = bench(home, "truth/queue", "--mode", "warm", "--duration", "10s")
    service_s = injected_s + statistics.mean(bare["warm"]["samples_ns"]) / 1e9
    error = theory_error(rate, seconds, service_s, len(seeds))
    assert error < 0.01, f"the theory itself is good to {error:.1%} only"
    answers = []
    for seed in seeds:
        loaded = bench(home, "truth/queue", "--mode", "load", "--rate", rate, "--duration", f"{seconds}s", "--seed", seed,
                       "-i", f"mode=slow:{injected_s * 1e3:.0f}")
        step = loaded["load"][0]
        mean_s = statistics.mean(step["samples_ns"]) / 1e9
        exact, least = lindley(rate, seconds, seed, service_s), lindley(rate, seconds, seed, injected_s)
        print(f"seed {seed}, {injected_s * 1e3:.0f} + {(service_s - injected_s) * 1e3:.2f} ms at {rate}/s, n={step['ok']}: mean {mean_s * 1e3:.2f} ms; "
              f"the queue of its arrivals {exact * 1e3:.2f} ms ({(mean_s / exact - 1) * 100:+.1f} %), of the injected time alone {least * 1e3:.2f} ms; "
              f"late p99 {step['late_send_p99_ns'] / MS:.2f} ms")
        assert step["dropped"] == 0 and least <= mean_s <= 1.15 * least, (mean_s, least)
        assert abs(mean_s / exact - 1) <= 0.03, (mean_s, exact)
        answers += step["samples_ns"]
    mean_s, theory = statistics.mean(answers) / 1e9, md1(rate, service_s)
    print(f"M/D/1: mean {mean_s * 1e3:.2f} ms, theory {theory * 1e3:.2f} ± {theory * error * 1e3:.2f} ms ({(mean_s / theory - 1) * 100:+.1f} %)")
    assert abs(mean_s / theory - 1) <= 0.03, (mean_s, theory)


def drift(home):
    home.model("truth/drift", options="mode: drift:10:30")
    outcome = home.try_mrun("bench", "truth/drift", "--mode", "warm", "--duration", "6s", "--warmup", "3", "--json")
    assert any("drifted" in warning for warning in outcome.json()["warnings"]), outcome.json()["warnings"]
    steady = bench(home, "truth/service", "--mode", "warm", "--duration", "6s", "-i", "mode=slow:10")
    assert not any("drifted by" in warning and abs(steady["warm"]["latency"]["drift"]["change"]) > 0.2 for warning in steady["warnings"])


def gate(home):
    """A/A and known changes through the whole program."""
    for ms in (20, 22, 24):
        home.model(f"truth/gate{ms}", options=f"mode: slow:{ms}")
    home.mrun("tag", "truth/gate20", "truth/again")
    verdicts = {}
    for name, wanted in (("again", "pass"), ("gate22", "regressed"), ("gate24", "regressed")):
        result = bench(home, f"truth/{name}", "--mode", "warm", "--duration", "16s", "--baseline", "truth/gate20")
        row = next(row for row in result["compare"]["rows"] if row["metric"] == "p50")
        verdicts[name] = row["verdict"]
        print(f"{name} against gate20: {(row['ratio'] - 1) * 100:+.2f} % {row['ci']} {row['verdict']}")
        assert row["verdict"] == wanted, row


def main(home):
    parts = {"service": service, "cold": cold, "queue": queue, "drift": drift, "gate": gate}
    chosen = sys.argv[1:] or list(parts)
    if "drift" in chosen and "service" not in chosen:
        home.model("truth/service")
    for name in chosen:
        parts[name](home)


run(main)
