"""Goal: the reference row is the user's to choose; a product that bills loads and waiting bills their lines, one that is not there is an error."""

from decimal import Decimal

from harness import run


def rows(home, *args):
    return home.mrun("ledger", "--json", *args).json()["rows"]


def use(home, text):
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").write_text(text)


def main(home):
    home.model("test/echo")
    home.mrun("predict", "test/echo")
    home.mrun("predict", "test/echo")
    # By default Replicate's public CPU row: only active time is billed, by the second.
    for row in rows(home):
        reference = row["cost_reference"]
        assert reference["product"] == "public" and reference["source"] and reference["read_on"], reference
        assert Decimal(reference["amount"]) == (Decimal("0.0001") if row["kind"] == "prediction" else 0), row

    # A deployment bills the instance from start to stop: setup, active and idle, each second once.
    use(home, "cost_reference: {provider: replicate, sku: CPU 4x 8GB, product: deployment}\n")
    metrics = home.mrun("predict", "test/echo", "--json").json()["metrics"]
    home.mrun("predict", "test/echo")
    assert metrics["cost_reference"]["product"] == "deployment" and metrics["cold_start"] is True, metrics
    assert Decimal(metrics["cost_reference"]["billed_s"]) == Decimal(str(metrics["predict_time"])), "its load is a line of its own"
    new = rows(home)[:4]
    assert sorted(row["kind"] for row in new) == ["idle", "prediction", "prediction", "setup"], new
    for row in new:
        reference = row["cost_reference"]
        assert reference["billed_ns"] == row["duration_ns"] and reference["granularity_ns"] == 0, row
        assert abs(Decimal(reference["amount"]) - Decimal(reference["rate"]) * row["duration_ns"] / 10**9) < Decimal("1e-12"), row

    # A row that is not there stops the start, with the nearest.
    use(home, "cost_reference: {provider: replicate, sku: CPU 4x 8G, product: public}\n")
    wrong = home.fails("M1603", 2, "daemon", "start")
    assert "CPU 4x 8GB" in wrong.err and "the nearest" in wrong.err, wrong
    use(home, "cost_reference: {provider: nobody, sku: x}\n")
    home.fails("M1603", 2, "daemon", "start")
    use(home, "cost_reference: {provider: replicate}\n")
    home.fails("M1603", 2, "daemon", "start")
    use(home, "cost: {rate: 1, per: instance_h, currency: USD, idle_rate: cheap}\n")
    home.fails("M1603", 2, "daemon", "start")
    use(home, "")


run(main)
