"""Goal: each finished prediction says what it took and what it cost: unknown until a rate is set, never 0."""

from decimal import Decimal

from harness import run


def main(home):
    home.model("test/echo")
    metrics = home.mrun("predict", "test/echo", "--json").json()["metrics"]
    assert metrics["cost"] is None and "mrun cost setup" in metrics["cost_reason"], metrics
    reference = metrics["cost_reference"]
    # Replicate's CPU row: $0.0001 a second, per started second.
    assert reference["provider"] == "replicate" and "CPU" in reference["sku"] and reference["currency"] == "USD", reference
    assert Decimal(reference["amount"]) == Decimal("0.0001") and reference["note"] == "reference, not your bill", reference
    assert reference["source"] and reference["read_on"] and reference["formula"], reference
    for key in ("phases_ns", "peak_memory_bytes", "input_bytes", "output_bytes", "device", "predict_time", "total_time"):
        assert metrics[key] is not None, key
    assert metrics["device"] == "cpu" and metrics["peak_memory_bytes"] > 100_000

    # The daemon's log has a line for it.
    log = (home.home / "state/logs/mrund.log").read_text()
    assert any("test/echo" in line and "succeeded" in line and "cost_reference" in line for line in log.splitlines()), log

    # With a rate of your own the cost is computed, and shown with --timings.
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").write_text('cost: {rate: "0.36", per: instance_h, currency: USD}\n')
    metrics = home.mrun("predict", "test/echo", "--json").json()["metrics"]
    assert metrics["cost"] is not None and Decimal(metrics["cost"]["amount"]) > 0, metrics
    # A daemon that runs bills by what `mrun cost setup` says, at once.
    home.mrun("cost", "setup", "--price", "26280", "--watts-active", "0", "--watts-idle", "0", "--kwh", "0", "--currency", "EUR")
    cost = home.mrun("predict", "test/echo", "--json").json()["metrics"]["cost"]
    assert (cost["rate"], cost["currency"]) == ("1", "EUR"), cost
    worker = home.workers()["models"][0]["cost"]
    assert worker["total"] is None and "after it was loaded" in worker["reason"], worker
    home.mrun("stop", "test/echo")
    home.mrun("predict", "test/echo")
    assert home.workers()["models"][0]["cost"]["total"] is not None
    shown = home.mrun("predict", "test/echo", "--timings")
    assert "predict" in shown.err and "reference" in shown.err, shown


run(main)
