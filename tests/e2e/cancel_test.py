"""Goal: a prediction can be stopped in every phase: by Ctrl-C, by `mrun cancel`, by the API, by its deadline, by going away."""

import json
import signal

from harness import UnixConnection, is_alive, run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def running(home):
    return [p for p in home.api("GET", "/v1/predictions").json()["results"] if p["status"] in ("starting", "processing")]


def main(home):
    home.model("test/echo", inputs=INPUTS)
    home.mrun("predict", "test/echo")

    # Ctrl-C cancels and says so; the worker is not harmed.
    command = home.start("predict", "test/echo", "-i", "mode=slow:60000")
    prediction = wait_for(lambda: [p for p in running(home) if p["status"] == "processing"], 20, "it to run")[0]
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=20)
    assert command.returncode == 130 and "canceled" in err, (command.returncode, err)
    assert home.finish(prediction["id"])["status"] == "canceled"

    # `mrun cancel ID` ends one that another process waits for.
    command = home.start("predict", "test/echo", "-i", "mode=slow:60000")
    prediction = wait_for(lambda: running(home), 20, "it to run")[0]
    home.mrun("cancel", prediction["id"])
    _, err = command.communicate(timeout=20)
    assert command.returncode == 7 and "M1406" in err, (command.returncode, err)
    home.fails("M1506", 5, "cancel", "0" * 26)

    # In the queue: behind one that runs (concurrency 1).
    first = home.predict("test/echo", wait=False, mode="slow:60000").json()["id"]
    second = home.predict("test/echo", wait=False, mode="slow:60000").json()["id"]
    home.api("POST", f"/v1/predictions/{second}/cancel")
    assert home.finish(second)["status"] == "canceled"
    assert home.api("GET", f"/v1/predictions/{first}").json()["status"] == "processing"
    home.api("POST", f"/v1/predictions/{first}/cancel")
    assert home.finish(first)["status"] == "canceled"

    # One that does not listen is ended with its worker, in bounded time.
    stubborn = home.predict("test/echo", wait=False, mode="hang_hard").json()["id"]
    wait_for(lambda: home.api("GET", f"/v1/predictions/{stubborn}").json()["status"] == "processing", 20, "it to run")
    worker = home.workers()["models"][0]["pid"]
    home.api("POST", f"/v1/predictions/{stubborn}/cancel")
    assert home.finish(stubborn, timeout=30)["status"] == "canceled"
    wait_for(lambda: not is_alive(worker), 20, "the hanging worker to be killed")

    # A deadline: running → canceled by it; still queued → aborted, which Replicate's clients see as canceled. The one
    # that runs has the later deadline, so that the other is surely still in the queue at its own.
    late = home.api("POST", "/v1/predictions", {"version": "test/echo", "input": {"mode": "slow:60000"}}, {"Cancel-After": "8s"}).json()["id"]
    queued = home.api("POST", "/v1/predictions", {"version": "test/echo", "input": {"mode": "slow:60000"}}, {"Cancel-After": "5s"}).json()["id"]
    ended = home.finish(late, timeout=30)
    assert ended["status"] == "canceled" and "M1405" in (ended["error"] or ""), ended
    assert home.finish(queued, timeout=30)["status"] == "canceled"
    ours = home.api("GET", f"/mrun/v1/predictions/{queued}").json()
    assert ours["status"] == "aborted" and ours["started_at"] is None and "M1417" in ours["error"], ours
    assert home.api("GET", f"/mrun/v1/predictions/{late}").json()["status"] == "canceled"
    events = home.api("GET", f"/mrun/v1/predictions/{queued}/events").body.decode()
    done = json.loads(events.partition("event: done\n")[2].partition("data: ")[2].splitlines()[0])
    assert done["status"] == "aborted" and "event: started" not in events, events

    # A caller of a synchronous prediction that goes away cancels it.
    connection = UnixConnection(home.socket, 60)
    connection.request("POST", "/v1/predictions", '{"version": "test/echo", "input": {"mode": "slow:60000"}}',
                       {"Content-Type": "application/json", "Prefer": "wait"})
    prediction = wait_for(lambda: running(home), 20, "it to run")[0]
    connection.close()
    assert home.finish(prediction["id"])["status"] == "canceled"

    # The client's own limit.
    outcome = home.try_mrun("predict", "test/echo", "-i", "mode=slow:60000", "--timeout", "1s")
    assert outcome.code == 124 and "M1007" in outcome.err, outcome
    wait_for(lambda: not running(home), 20, "nothing to be left running")
    assert "hello" in home.mrun("predict", "test/echo").out


run(main)
