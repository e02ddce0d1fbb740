"""Goal: many predictions by one command: a line in, a line out, in order, however many run at once and whichever fail."""

import json

from harness import run

INPUTS = "text: {type: string, default: hello, max_length: 20}\nms: {type: integer, default: 0}\nmode: {type: string, default: echo}"


def texts(out):
    return [json.loads(line)["output"]["text"] for line in out.splitlines()]


def lines_in_lines_out(home):
    cases = home.path / "cases.jsonl"
    cases.write_text("\n".join(json.dumps({"text": f"t{i}", "mode": f"slow:{300 - 50 * i}"}) for i in range(6)) + "\n\n")
    # The last ends first; the order is that of the lines all the same.
    many = home.mrun("predict", "test/many", "--inputs", cases, "--jobs", "6", "--json")
    assert texts(many.out) == [f"t{i}" for i in range(6)], many
    assert all(json.loads(line)["status"] == "succeeded" for line in many.out.splitlines()) and many.err == "", many
    plain = home.mrun("predict", "test/many", "--inputs", cases)
    assert [json.loads(line)["text"] for line in plain.out.splitlines()] == [f"t{i}" for i in range(6)], plain
    # -i holds for every line and wins over it; what lines bring it need not.
    both = home.mrun("predict", "test/many", "--inputs", cases, "-i", "mode=echo", "-i", "text=all", "--json")
    assert texts(both.out) == ["all"] * 6, both
    # One object over several lines, from standard input; -n is the same so many times.
    assert texts(home.mrun("predict", "test/many", "--inputs", "-", "--json", input='{\n  "text": "whole"\n}\n').out) == ["whole"]
    assert texts(home.mrun("predict", "test/many", "-i", "text=same", "-n", "5", "--jobs", "2", "--json").out) == ["same"] * 5
    # No line of a pipe waits for the next one.
    command = home.start("predict", "test/many", "--inputs", "-", "--json", stdin=-1)
    for i in range(3):
        command.stdin.write(json.dumps({"text": f"p{i}"}) + "\n")
        command.stdin.flush()
        assert json.loads(command.stdout.readline())["output"]["text"] == f"p{i}"
    _, err = command.communicate(timeout=30)
    assert command.returncode == 0, err


def failures(home):
    cases = home.path / "bad.jsonl"
    cases.write_text('{"text": "a"}\n{"text": "b", "mode": "fail:on purpose"}\n{"text": "c"}\n{"text": "d", "mode": "fail:again"}\n')
    before = len(home.api("GET", "/v1/predictions").json()["results"])
    stopped = home.fails("M1401", 1, "predict", "test/many", "--inputs", cases)
    assert len(stopped.out.splitlines()) == 1 and "on purpose" in stopped.err and f"{cases}:2" in stopped.err, stopped
    assert "again" not in stopped.err and "1 succeeded, 1 failed" in stopped.err, stopped
    assert len(home.api("GET", "/v1/predictions").json()["results"]) == before + 2
    # With several at once: what stands before the first failure is shown, what stands behind it is not.
    stopped = home.try_mrun("predict", "test/many", "--inputs", cases, "--jobs", "4", "--json")
    assert stopped.code == 1 and texts(stopped.out) == ["a"], stopped
    going = home.try_mrun("predict", "test/many", "--inputs", cases, "--keep-going", "--jobs", "2", "--json")
    assert going.code == 1, going
    assert [json.loads(line)["status"] for line in going.out.splitlines()] == ["succeeded", "failed", "succeeded", "failed"]
    assert [json.loads(line)["error"]["code"] for line in going.err.splitlines() if line.startswith("{")] == ["M1401", "M1401"], going

    # A wrong line: of a file nothing runs, whichever line it is; of a pipe what came before has run.
    count = len(home.api("GET", "/v1/predictions").json()["results"])
    for text, code, says in (('{"text": "ok"}\n{"text": "' + "x" * 21 + '"}\n', "M1306", "text"), ('{"text": "ok"}\n{"txet": "a"}\n', "M1301", "text"),
                             ('{"text": "ok"}\n[1]\n', "M1307", "object"), ('{"text": "ok"}\nnot json\n', "M1307", ":2"), ("", "M1307", "no input"),
                             ('{"text": 1, "text": 2}\n', "M1307", ":1"), ("\xff\n", "M1307", ":1"), ("{" * 200 + "\n", "M1307", ":1")):
        cases.write_bytes(text.encode("latin-1"))
        refused = home.fails(code, 2, "predict", "test/many", "--inputs", cases)
        assert says in refused.err and refused.out == "", (text, refused)
    assert len(home.api("GET", "/v1/predictions").json()["results"]) == count
    piped = home.fails("M1301", 2, "predict", "test/many", "--inputs", "-", input='{"text": "ok"}\n{"txet": "a"}\n{"text": "no"}\n')
    assert "ok" in piped.out and "no" not in piped.out and "standard input:2" in piped.err, piped
    # In place of a prediction that never was stands a line of its own, so that lines stay together.
    cases.write_text('{"text": "a"}\n{"txet": "b"}\nnot json\n{"text": "d"}\n')
    going = home.try_mrun("predict", "test/many", "--inputs", cases, "--keep-going", "--json")
    rows = [json.loads(line) for line in going.out.splitlines()]
    assert going.code == 2 and [row.get("schema") for row in rows] == [None, "mrun.refusal/v1", "mrun.refusal/v1", None], going
    assert rows[1]["index"] == 1 and rows[1]["error"]["code"] == "M1301" and rows[2]["error"]["code"] == "M1307", rows
    assert "M1307" in home.fails("M1307", 2, "predict", "test/many", "--inputs", home.path / "absent").err


def outputs(home):
    home.model("test/file", inputs="file: {type: file}\nmode: {type: string, default: echo}", output="type: file")
    folder = home.path / "pictures"
    folder.mkdir()
    for i, size in enumerate((10, 300_000)):  # inside of the request, and uploaded
        (folder / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([i]) * size)
    (folder / "cases.jsonl").write_text('{"file": "@0.png"}\n{"file": "@1.png"}\n')
    out = home.path / "made/of"
    home.mrun("predict", "test/file", "--inputs", folder / "cases.jsonl", "-o", f"{out}/%{{index}}.%{{ext}}")
    for i in range(2):
        assert (out / f"{i}.png").read_bytes() == (folder / f"{i}.png").read_bytes(), i
    home.mrun("predict", "test/file", "-i", f"file=@{folder}/1.png", "-n", "3", "-o", f"{home.path}/n-%{{index}}.%{{ext}}")
    assert [(home.path / f"n-{i}.png").stat().st_size for i in range(3)] == [300_008] * 3
    home.mrun("predict", "test/file", "-i", "file=@-", "-n", "2", "-o", f"{home.path}/in-%{{index}}.%{{ext}}",
              input=(folder / "1.png").read_bytes(), binary=True)
    assert (home.path / "in-1.png").read_bytes() == (folder / "1.png").read_bytes()
    # Nothing is overwritten unasked, and one name for several is refused before anything runs.
    home.fails("M1006", 2, "predict", "test/file", "-i", f"file=@{folder}/0.png", "-n", "2", "-o", f"{home.path}/n-%{{index}}.%{{ext}}")
    assert (home.path / "n-0.png").stat().st_size == 300_008
    home.fails("M1001", 2, "predict", "test/file", "-i", f"file=@{folder}/0.png", "-n", "2", "-o", home.path / "one.png")
    (folder / "cases.jsonl").write_text('{"file": "@0.png"}\n{"file": "@absent.png"}\n')
    assert "absent.png" in home.fails("M1307", 2, "predict", "test/file", "--inputs", folder / "cases.jsonl").err


def main(home):
    home.model("test/many", inputs=INPUTS, output="type: any", extra="concurrency: 8\n")
    home.mrun("predict", "test/many")
    lines_in_lines_out(home)
    failures(home)
    outputs(home)
    for flags, code in ((["-n", "0"], "M1004"), (["-n", "100001"], "M1004"), (["--jobs", "65"], "M1004"), (["--jobs", "-1"], "M1004"),
                        (["-n", "2", "--inputs", "x"], "M1001"), (["-n", "two"], "M1004"), (["--inputs", ""], "M1004")):
        home.fails(code, 2, "predict", "test/many", *flags)


run(main)
