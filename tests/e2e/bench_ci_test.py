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
    # A job of GitLab, all its lines, twice in one working copy: a runner may keep its folder.
    (job,) = re.findall(r"^bench-gate:.*?^  script:\n((?:    - [^\n]*\n)+)", (CI / "gitlab.yml").read_text(), re.M | re.S)
    lines = [line[6:] for line in job.splitlines()]
    assert lines[-1].startswith("./ci/gate.sh "), lines
    git = "git -c user.name=t -c user.email=t@example.org"
    shutil.rmtree(work / "new")
    shutil.copytree(work / "slow", work / "origin")
    shell(f"git init -q -b main . && {git} add -A && {git} commit -qm slow", work / "origin", 0)
    shell("git clone -q origin new", work, 0)
    shutil.rmtree(work / "new/model")
    shutil.copytree(work / "was/model", work / "new/model")
    env["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = "main"
    for _ in range(2):
        shell("\n".join(lines), work / "new", 0)  # 20 ms against 60 ms: improved
    # A daemon that runs already is somebody's: it stays.
    home.mrun("daemon", "start")
    pid = home.daemon_pid()
    done = subprocess.run(["bash", "-ec", smoke], cwd=work / "new", env=env, capture_output=True, text=True, timeout=200 * SLOWER)
    assert done.returncode == 0 and home.daemon_pid() == pid, done
    home.mrun("daemon", "stop")

    env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(work / "summary")}
    shell(smoke, work / "new", 0)
    assert "### mrun bench" in (work / "summary").read_text()


run(main)
