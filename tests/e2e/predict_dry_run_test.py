"""Goal: --dry-run says what would run, where, in how much memory and for how much, and starts nothing: no daemon, no worker."""

from harness import run

KEYS = {"schema", "model", "version", "engine", "predictions", "device", "threads", "start", "queued", "unloads", "memory", "predict_ns",
        "load_ns", "cost", "cost_reason", "load_cost", "load_cost_reason", "cost_reference", "daemon", "weights_bytes"}


def main(home):
    home.model("test/echo", inputs="text: {type: string, max_length: 9, default: hi}\nmode: {type: string, default: echo}", files={"w.bin": b"x" * 1000})
    cases = home.path / "cases.jsonl"
    cases.write_text('{"text": "a"}\n{"text": "b"}\n')

    # Without a daemon: what the store knows; the rest is not known, and nothing is started to find out.
    words = home.mrun("predict", "test/echo", "--dry-run")
    assert "would run   1 prediction of test/echo" in words.out and "no daemon is running" in words.out, words
    plan = home.mrun("predict", "test/echo", "--dry-run", "--json").json()
    assert set(plan) == KEYS and plan["daemon"] is False and plan["device"] is None and plan["weights_bytes"] >= 1000, plan
    assert home.try_mrun("daemon", "status").code == 6, "a dry run started the daemon"
    home.fails("M1306", 2, "predict", "test/echo", "-i", "text=0123456789", "--dry-run")
    home.fails("M1301", 2, "predict", "test/echo", "-i", "txet=a", "--dry-run")
    home.fails("M1202", 5, "predict", "localhost:1/acme/far", "--dry-run")

    # With one that never ran it: where and how much memory; time and cost only after a run.
    (home.home / "config.yaml").write_text("cost: {rate: \"3.6\", per: instance_h, currency: EUR}\n")
    home.mrun("daemon", "start")
    plan = home.mrun("predict", "test/echo", "--dry-run", "--json").json()
    assert set(plan) == KEYS and plan["schema"] == "mrun.plan/v1" and plan["daemon"] is True, plan
    assert plan["device"] == "cpu" and plan["start"] == "after_load" and plan["predict_ns"] is None and plan["cost"] is None, plan
    assert plan["memory"]["needed_bytes"] > 1000 and plan["memory"]["budget_bytes"] > plan["memory"]["needed_bytes"], plan
    assert home.workers()["models"] == [] and home.api("GET", "/v1/predictions").json()["results"] == []
    home.mrun("predict", "test/echo")
    plan = home.mrun("predict", "test/echo", "--inputs", cases, "--dry-run", "--json").json()
    assert plan["start"] == "at_once" and plan["predictions"] == 2 and plan["predict_ns"] > 0, plan
    assert plan["cost"]["currency"] == "EUR" and plan["cost_reason"] is None and plan["load_cost"] is None, plan
    words = home.mrun("predict", "test/echo", "--dry-run").out
    assert "at once: it is loaded" in words and "EUR" in words and "not your bill" in words, words
    assert len(home.api("GET", "/v1/predictions").json()["results"]) == 1
    home.mrun("stop", "test/echo")
    words = home.mrun("predict", "test/echo", "--dry-run").out
    assert "after it is loaded" in words and "loading" in words, words

    # What would be refused is refused here: a device, too little memory, a wrong line; nothing of it is remembered.
    home.fails("M1416", 1, "predict", "test/echo", "--device", "cuda", "--dry-run")
    cases.write_text('{"text": "a"}\n{"text": "0123456789"}\n')
    assert "cases.jsonl:2" in home.fails("M1306", 2, "predict", "test/echo", "--inputs", cases, "--dry-run").err
    home.model("test/big", extra="requires: {memory_mib: 100000000}\n")
    home.fails("M1203", 1, "predict", "test/big", "--dry-run")
    home.fails("M1001", 2, "predict", "test/echo", "--dry-run", "--detach")
    assert home.workers()["models"] == []


run(main)
