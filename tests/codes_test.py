"""Goal: every row of the error table, and every exit code, was produced by some test of this run.

Test builds leave a file per produced code in MRUN_CODE_TRACE; this runs after all others (ctest's fixture cleanup).
"""

import os
import pathlib
import re
import sys

table = (pathlib.Path(os.environ["MRUN_SOURCE"]) / "common/error_codes.def").read_text()
rows = dict(re.findall(r"^MRUN_ERROR\((\d+), (\w+),", table, re.M))
produced = {path.name for path in pathlib.Path(os.environ["MRUN_CODE_TRACE"]).glob("M*")}
missing = [f"M{number} {name}" for number, name in rows.items() if f"M{number}" not in produced]
print(f"{len(rows) - len(missing)} of {len(rows)} error codes were produced by tests")
for row in missing:
    print(f"never produced: {row}", file=sys.stderr)
exits = re.findall(r"^\| (\d+) \|", (pathlib.Path(os.environ["MRUN_SOURCE"]) / "docs/exit-codes.md").read_text(), re.M)
assert len(exits) > 10, exits
never = [code for code in exits if not (pathlib.Path(os.environ["MRUN_CODE_TRACE"]) / f"exit-{code}").exists()]
if never:
    print(f"no command ended with {', '.join(never)}", file=sys.stderr)
sys.exit(1 if missing or never else 0)
