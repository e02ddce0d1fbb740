"""Goal: the largest feature that is allowed, every number at its bound, is priced, and quickly enough for the harness."""

from harness import run

CALL = """  - name: call {n}
    price: {{provider: groq, sku: gpt-oss-120b}}
    times: {{typical: 1, worst: 1000000000}}
    conversation: {{turns: 10000, system_tokens: 1000000000, user_tokens: 1000000000, reply_tokens: 999999999.999999999999, cached: true}}
    retry_rate: {{typical: 0.000000000001, worst: 1000000000}}
    fallback: {{name: other, share: 1, price: {{provider: groq, sku: llama-3.1-8b}}, conversation: {{turns: 10000, user_tokens: 7, reply_tokens: 9, window_tokens: 100000}}}}
"""


def main(home):
    path = home.path / "feature.yaml"
    path.write_text("feature: 1\nname: everything\nbudget: {per_action: 1000000000}\ncalls:\n" + "".join(CALL.format(n=n) for n in range(64)))
    result = home.fails("M1915", 3, "cost", "action", path)
    assert "one action" in result.out, result
    # Inputs that lead a fit astray end in a large number, not in a senseless one.
    home.model("test/work", inputs="steps: {type: number, default: 1}")
    (home.path / "measured.jsonl").write_text("".join('{"input": {"steps": %d}, "predict_ns": %d}\n' % (n, n * 10**9) for n in range(1, 6)))
    for steps in ("1e300", "-1e300", "0"):
        made = home.mrun("cost", "estimate", "test/work", "-i", f"steps={steps}", "--measured", home.path / "measured.jsonl", "--on", "L4", "--json").json()
        assert made["seconds"]["typical_ns"] >= 0 and (steps != "1e300" or made["seconds"]["worst_ns"] > 10**18), (steps, made["seconds"])
    # Many of them are more than an integer of nanoseconds holds: unknown, never 0.
    (home.path / "many.jsonl").write_text('{"steps": 1e300}\n' * 20)
    many = ["cost", "estimate", "test/work", "--inputs", home.path / "many.jsonl", "--measured", home.path / "measured.jsonl"]
    assert home.mrun(*many, "--json").json()["seconds"]["typical_ns"] is None
    assert "typical unknown" in home.mrun(*many).out
    (home.path / "measured.jsonl").write_text('{"predict_ns": 1e300}\n')
    home.fails("M1914", 4, "cost", "estimate", "test/work", "--measured", home.path / "measured.jsonl")


run(main)
