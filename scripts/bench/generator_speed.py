"""(j) The load generator alone, against a server of one thread that does nothing: requests a second, and how late it is.

Fails when 8 clients of a closed loop get fewer than 3,000 answers a second: then the generator would be measured, and not
the model. How late it sends depends on what else runs on the machine; each result of `mrun bench` judges that for itself.
usage: scripts/bench/run generator_speed [seconds]
"""

import os
import pathlib
import subprocess
import sys

import lib

LEAST_PER_S = 3_000


def main():
    program = pathlib.Path(os.environ["MRUN_BUILD"]) / "cli/bench/bench_generator_speed"
    table = subprocess.run([str(program), *sys.argv[1:]], capture_output=True, text=True, check=True).stdout
    print(table)
    rows = {}
    for line in table.splitlines()[2:]:
        name, *figures = [cell.strip() for cell in line.strip("|").split("|")]
        rows[name] = dict(zip(("per_s", "p50_us", "late_p99_us", "dropped"), map(float, figures)))
    lib.write("generator_speed", {"rows": rows})
    answered = rows["closed 8"]["per_s"]
    if answered < LEAST_PER_S:
        sys.exit(f"error: {answered:,.0f} answers a second, {LEAST_PER_S:,} are needed")


main()
