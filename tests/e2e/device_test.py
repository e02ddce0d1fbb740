"""Goal: `--device` says where a model runs; what can't be is refused with what is missing, and auto takes what there is."""

from harness import run


def main(home):
    home.model("demo/echo")
    for device in ("cpu", "auto"):  # the echo engine has no GPU, whatever the machine has
        assert home.mrun("predict", "demo/echo", "--device", device, "--json").json()["metrics"]["device"] == "cpu"
    assert "cpu only" in home.fails("M1416", 1, "predict", "demo/echo", "--device", "cuda:0").err
    for wrong in ("tpu", "cuda:", "cuda:x", "cuda:-1", "CUDA"):
        assert "`cuda:N`" in home.fails("M1004", 2, "predict", "demo/echo", "--device", wrong).err, wrong
    for wrong in ("cuda:9999", "cuda:", "gpu", ""):
        reply = home.api("POST", "/mrun/v1/predictions", {"version": "demo/echo", "input": {}, "device": wrong})
        assert reply.status == 422 and "there is no device" in reply.json()["detail"], reply

    # What could have had a GPU says why it has none, when it is loaded; then no more.
    home.model("demo/either", extra="requires: {devices: [cpu, cuda]}\n")
    first = home.mrun("predict", "demo/either")
    assert "on the cpu: engine 'echo' runs models on the cpu only" in first.err, first
    assert "on the cpu" not in home.mrun("predict", "demo/either").err
    assert "device_reason" not in home.mrun("predict", "demo/either", "--device", "cpu", "--json").json()["metrics"]
    assert "on the cpu" not in home.mrun("predict", "demo/echo").err

    home.model("demo/needy", extra="requires: {devices: [cuda]}\n")
    refused = home.fails("M1416", 1, "predict", "demo/needy", "--device", "cpu")
    assert "runs on cuda, not on cpu" in refused.err and "requires.devices" in refused.err, refused
    home.fails("M1416", 1, "predict", "demo/needy")


run(main)
