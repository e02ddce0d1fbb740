"""Goal: whatever a worker does, that prediction ends with the right code and reason, and nothing else is affected."""

import json

from harness import is_alive, run

# mode -> (error code, words of the message); the exit code is that of the code's row.
FAILURES = {
    "crash": ("M1402", ["SIGSEGV"]),
    "abort": ("M1402", ["SIGABRT"]),
    "exit0": ("M1402", ["exit"]),
    "exit:3": ("M1402", ["3"]),
    "killed": ("M1407", []),
    "garbage_frame": ("M1412", []),
    "close_socket": ("M1402", []),
    "fail:the reason": ("M1401", ["the reason"]),
    "silent_fail": ("M1401", []),
    "unknown_status": ("M1401", []),
    "invalid:not a cat": ("M1309", ["not a cat"]),
    "oom": ("M1407", []),
    "device_error": ("M1408", []),
    "many_outputs:200000": ("M1413", []),
}
LOADS = {"fail_load:no such layer": ("M1403", "no such layer"), "unsupported_load": ("M1409", ""), "crash_in_load": ("M1402", "SIGSEGV"),
         "exit_in_load:4": ("M1402", "4"), "mismatch_load": ("M1411", "")}
EXITS = {"M1309": 2}


def main(home):
    home.model("test/bad", inputs="text: {type: string, default: hello}\nmode: {type: string, default: echo}")
    home.model("test/good")
    good = home.mrun("predict", "test/good", "-i", "text=x", "--json").json()
    good_worker = good["metrics"]["worker_pid"]

    for mode, (code, words) in FAILURES.items():
        outcome = home.try_mrun("predict", "test/bad", "-i", f"mode={mode}")
        assert outcome.code == EXITS.get(code, 1) and f"error[{code}]" in outcome.err, (mode, outcome)
        for word in words:
            assert word in outcome.err, (mode, word, outcome)
        # The next prediction finds a worker again.
        assert "fine" in home.mrun("predict", "test/bad", "-i", "text=fine").out, mode

    # The last lines that the prediction's worker printed are shown, with the path of the whole log. An earlier
    # prediction's lines in the same worker are not among them.
    home.mrun("predict", "test/bad", "-i", "mode=stdout_noise:3")
    outcome = home.try_mrun("predict", "test/bad", "-i", "mode=noise_crash:3")
    words, _, path = outcome.err.partition("the whole log: ")
    for line in ("last words 2 on stdout", "last words 2 on stderr"):
        assert f"  {line}\n" in words.partition("the worker's last words:\n")[2], (line, outcome)
        assert f"{line}\n" in open(path.splitlines()[0]).read(), (line, outcome)
    assert "noise 2 on stdout" not in outcome.err, outcome

    # What a prediction printed is in its own logs, however fast it was.
    for i in range(20):
        logs = home.predict("test/bad", mode="stdout_noise:3").json()["logs"]
        assert "noise 0 on stdout" in logs and "noise 2 on stdout" in logs, (i, logs)

    # The stored prediction says the same, in Replicate's words.
    reply = home.predict("test/bad", mode="fail:in words").json()
    assert reply["status"] == "failed" and "in words" in reply["error"], reply
    assert home.api("GET", f"/v1/predictions/{reply['id']}").json()["error"] == reply["error"]

    # Output of any size within the limit arrives whole, as an event and once more in the `done` event.
    for size in (5_000_000, 40_000_000):
        outcome = home.try_mrun("predict", "test/bad", "-i", f"mode=huge_output:{size}", timeout=120)
        assert outcome.code == 0 and outcome.out == "x" * size + "\n", (size, outcome.code, len(outcome.out), outcome.err)
    shown = home.mrun("predict", "test/bad", "-i", "mode=huge_output:40000000", "--json", timeout=120).json()
    assert shown["output"] == "x" * 40_000_000

    for mode, (code, word) in LOADS.items():
        name = f"test/load-{code.lower()}-{mode.split(':')[0].replace('_', '-')}"
        home.model(name, options=f"mode: \"{mode}\"")
        outcome = home.try_mrun("predict", name)
        assert outcome.code == 1 and f"error[{code}]" in outcome.err and word in outcome.err, (mode, outcome)

    # All that time the other model's worker was left alone.
    assert is_alive(good_worker)
    assert home.mrun("predict", "test/good", "-i", "text=x", "--json").json()["metrics"]["worker_pid"] == good_worker

    # Five failed starts in a minute: the model is unhealthy, says so at once and why; other models go on.
    home.model("test/loop", options="mode: \"fail_load:it never works\"")
    codes = []
    for _ in range(12):
        reply = home.predict("test/loop").json()
        codes.append(json.dumps(reply))
        if "M1404" in codes[-1]:
            break
    assert "M1404" in codes[-1] and "it never works" in codes[-1], codes[-1]
    home.mrun("predict", "test/good", "-i", "text=x")


run(main)
