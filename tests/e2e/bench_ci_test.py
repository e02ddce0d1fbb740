"""Goal: the shell parts of docs/ci run as they are written, and the YAML files call nothing else."""

import json
import os
import re
import shutil
import subprocess

from harness import BUILD, SLOWER, SOURCE, run
from junit_schema import check_junit

CI = SOURCE / "docs/ci"


def main(home):
    env = home.env | {"PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}", "BENCH_DURATION": "3s", "BENCH_BLOCKS": "5", "BENCH_RUNS": "7"}
    work = home.path / "work"
    for side, ms in (("new", 20), ("base", 20), ("slow", 60)):
        home.model("demo/model", folder=f"work/{side}/model", pack=False, options=f"mode: slow:{ms}")
        shutil.copytree(CI, work / side / "ci")

    def shell(line, folder, code):
        done = subprocess.run(["bash", "-ec", line], cwd=folder, env=env, capture_output=True, text=True, timeout=200 * SLOWER)
        assert done.returncode == code, f"{line}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert home.processes() == [], "the recipe stops its daemon"

    # The line that a YAML file runs, in the folder that it runs in.
    smoke = re.search(r"^\s+(\./ci/smoke\.sh .*)$", (CI / "github-smoke.yml").read_text(), re.M).group(1)
    assert f"- {smoke}\n" in (CI / "gitlab.yml").read_text()
    shell(smoke, work / "new", 0)
    cases = check_junit((work / "new/bench.xml").read_text())
    assert cases["result is valid"] is None and cases["predictions succeed"] is None, cases
    assert (work / "new/bench.html").exists() and json.loads((work / "new/bench.json").read_text())["valid"]

    gate = re.search(r"^\s+(\./new/ci/gate\.sh .*)$", (CI / "github-gate.yml").read_text(), re.M).group(1)
    shutil.move(work / "new", work / "was")
    shutil.copytree(work / "slow", work / "new")
    env["BENCH_MAX_REGRESS"] = "p50=5%"
    shell(gate, work, 3)  # 60 ms against 20 ms
    result = json.loads((work / "bench.json").read_text())
    assert [row["verdict"] for row in result["compare"]["rows"] if row["gated"]] == ["regressed"], result["compare"]["rows"]
    assert "regressed" in (work / "bench.md").read_text()
    gitlab = re.search(r"^\s+- (\./ci/gate\.sh .*)$", (CI / "gitlab.yml").read_text(), re.M).group(1)
    assert gitlab == "./ci/gate.sh ./model ../base/model text=hello"
    shutil.rmtree(work / "base/model")
    shutil.copytree(work / "slow/model", work / "base/model")
    shutil.rmtree(work / "new/model")
    shutil.copytree(work / "was/model", work / "new/model")
    shell(gitlab, work / "new", 0)  # 20 ms against 60 ms: improved

    env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(work / "summary")}
    shell(smoke, work / "new", 0)
    assert "### mrun bench" in (work / "summary").read_text()


run(main)
