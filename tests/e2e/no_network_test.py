"""Goal: no telemetry and no update check: in a network namespace that holds nothing, not even a loopback that is up, all
that needs no registry works, and no program of mrun makes an internet socket.
"""

import os
import re
import subprocess
import sys

from harness import MRUN, SANITIZED, run, wait_for

INSIDE = "MRUN_INSIDE_NAMESPACE"

COMMANDS = (
    ["--version"], ["--help"], ["init", "fresh"], ["pack", "test-quiet"], ["ls"], ["show", "test/quiet"],
    ["schema", "test/quiet"], ["predict", "test/quiet", "-i", "text=a"], ["predict", "test/quiet", "-i", "text=b", "--json"],
    ["ps"], ["predictions"], ["ledger"], ["stats"], ["prices", "status"], ["cost", "estimate", "test/quiet", "-i", "text=a"],
    ["bench", "test/quiet", "-n", "7", "--duration", "2s"], ["config", "list"], ["doctor"], ["explain", "M1001"], ["snippet", "test/quiet", "--lang", "curl"],
    ["completion", "bash"], ["diff", "test/quiet", "test/quiet"], ["save", "test/quiet", "-o", "quiet.tar"], ["verify", "--all"],
    ["gc", "--dry-run"], ["stop", "test/quiet"], ["rm", "-y", "test/quiet"], ["load", "quiet.tar"], ["daemon", "status"],
    ["daemon", "stop"],
)


def main(home):
    home.model("test/quiet", pack=False)
    log = home.path / "sockets.log"
    # (LeakSanitizer can't run under a tracer; then the namespace alone has to do.)
    trace = [] if SANITIZED else ["strace", "-f", "-qq", "-s", "0", "-e", "trace=socket", "-e", "signal=none", "-A", "-o", log]
    daemon = subprocess.Popen([*trace, MRUN, "daemon", "run"], cwd=home.path, env=home.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(home.socket.exists, what="the daemon")
    failed = []
    for words in COMMANDS:
        done = subprocess.run([*trace, MRUN, *words], cwd=home.path, env=home.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)
        if done.returncode != 0:
            failed.append((words, done.returncode, done.stdout, done.stderr))
    assert not failed, failed
    daemon.wait(timeout=60)
    if not SANITIZED:
        calls = log.read_text()
        assert "AF_UNIX" in calls, "the trace saw no socket at all"
        internet = re.findall(r".*socket\(AF_INET.*", calls)
        assert not internet, "\n".join(internet[:20])


if os.environ.get(INSIDE):
    run(main)
else:
    command = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), sys.executable, __file__]
    sys.exit(subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode)
