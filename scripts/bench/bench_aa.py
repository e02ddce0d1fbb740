"""(h) The gate of `mrun bench` through the whole program: A against A, and against known slow-downs.

Each trial is one `mrun bench B --baseline A --mode warm` (10 blocks, interleaved) of echo models with injected service
times of 20 ms; B is A itself, or 5, 10 and 20 % slower. Counts verdicts on p50; a result that is not valid is counted as
such and decides nothing.
usage: scripts/bench/run bench_aa [trials] [seconds each]
"""

import collections
import sys

import lib

FACTORS = {"A/A": 20, "+5 %": 21, "+10 %": 22, "+20 %": 24}


def main():
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = sys.argv[2] if len(sys.argv) > 2 else "6"
    home = lib.harness.Home()
    try:
        for name, ms in FACTORS.items():
            home.model(f"bench/ms{ms}", options=f"mode: slow:{ms}")
        home.mrun("tag", "bench/ms20", "bench/again")
        verdicts = {name: collections.Counter() for name in FACTORS}
        rows = []
        for trial in range(trials):
            for name, ms in FACTORS.items():
                model = "bench/again" if name == "A/A" else f"bench/ms{ms}"
                result = home.try_mrun("bench", model, "--baseline", "bench/ms20", "--mode", "warm", "--duration", f"{seconds}s",
                                       "--seed", trial + 1, "--json", timeout=300).json()
                row = next(row for row in result["compare"]["rows"] if row["metric"] == "p50")
                verdict = row["verdict"] if result["valid"] else "not valid"
                verdicts[name][verdict] += 1
                rows.append({"case": name, "trial": trial, "verdict": verdict, "ratio": row["ratio"], "ci": row["ci"], "p": row["p"]})
            print(f"trial {trial + 1}/{trials}: " + ", ".join(f"{row['case']} {row['verdict']} {row['ratio']:.3f}" for row in rows[-len(FACTORS):]),
                  file=sys.stderr)
    finally:
        home.close()
    kinds = ("pass", "inconclusive", "regressed", "improved", "not valid")
    print("| true change | " + " | ".join(kinds) + " |\n|---" + "|---" * len(kinds) + "|")
    for name, counts in verdicts.items():
        print(f"| {name} | " + " | ".join(str(counts[kind]) for kind in kinds) + " |")
    false_alarms = sum(row["p"] < 0.01 for row in rows if row["case"] == "A/A")
    print(f"\nOf the {trials} A/A runs a Mann–Whitney p below 0.01 alone would have cried wolf in {false_alarms}.")
    lib.write("bench_aa", {"rows": rows})


main()
