"""Goal: --json=stream prints each event of a prediction as a line of JSON the moment it comes, in every command that has one."""

import json

from harness import run


def events(out):
    rows = [json.loads(line) for line in out.splitlines()]
    for row in rows:
        assert row["schema"] == "mrun.event/v1" and set(row) - {"index"} == {"schema", "event", "seq", "prediction", "data"}, row
    return rows


def main(home):
    home.model("test/talk", inputs='mode: {type: string, default: "stream:3:20"}', output="type: string\niterator: true\nconcatenate: true")
    home.mrun("predict", "test/talk")

    one = home.mrun("predict", "test/talk", "--json=stream")
    rows = events(one.out)
    names = [row["event"] for row in rows]
    assert names[0] == "queued" and names[-1] == "done" and names.count("output") == 3, names
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)) and one.err == "", one
    assert len({row["prediction"] for row in rows}) == 1 and rows[-1]["data"]["output"] == "chunk 0 chunk 1 chunk 2 "
    identity = rows[0]["prediction"]

    # Each line is there when its event is: the first output comes before the prediction has ended.
    command = home.start("predict", "test/talk", "-i", "mode=stream:2:60000", "--json=stream")
    while (row := json.loads(command.stdout.readline()))["event"] != "output":
        pass
    home.mrun("cancel", row["prediction"])
    out, err = command.communicate(timeout=30)
    assert command.returncode == 7 and events(out)[-1]["data"]["status"] == "canceled", (out, err)
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "M1406", err

    # Of several each line says of which; the same events come from `wait` and, as far as they are its, from `logs -f`.
    rows = events(home.mrun("predict", "test/talk", "-n", "3", "--jobs", "3", "--json=stream").out)
    assert {row["index"] for row in rows} == {0, 1, 2} and [row["event"] for row in rows].count("done") == 3
    waited = events(home.mrun("wait", identity, "--json=stream").out)
    assert [row["event"] for row in waited] == names and waited[-1]["prediction"] == identity
    home.model("test/chatty", inputs='mode: {type: string, default: "log_flood:3"}')
    told = home.mrun("predict", "test/chatty", "--json").json()["id"]
    assert [row["event"] for row in events(home.mrun("logs", "-f", told, "--json=stream").out)] == ["log"] * 3 + ["done"]

    # A failure is an event as well, and an error as always; other commands have no stream.
    failed = home.try_mrun("predict", "test/chatty", "-i", "mode=fail:no", "--json=stream")
    assert failed.code == 1 and events(failed.out)[-1]["data"]["status"] == "failed"
    assert json.loads(failed.err.splitlines()[-1])["error"]["code"] == "M1401"
    for words in (["ls", "--json=stream"], ["predict", "test/talk", "--json=strem"], ["show", "test/talk", "--json=x"]):
        refused = home.try_mrun(*words)
        assert refused.code == 2 and json.loads(refused.err)["error"]["code"] == "M1004" and refused.out == "", refused
    for words in (["ps", "--json=stream"], ["logs", identity, "--json=stream"], ["predict", "test/talk", "--detach", "--json=stream"]):
        refused = home.try_mrun(*words)
        assert refused.code == 2 and json.loads(refused.err)["error"]["code"] == "M1001", refused


run(main)
