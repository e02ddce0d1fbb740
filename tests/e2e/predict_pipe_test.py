"""Goal: one prediction's output is the next one's input: bytes through a pipe, whole, and a failure at either end is told."""

import os
import subprocess

from harness import MRUN, run

PNG = b"\x89PNG\r\n\x1a\n"


def pipeline(home, *commands, input=b""):
    """Runs the commands with each one's output as the next one's input; their exit codes and the last output."""
    processes, source = [], subprocess.PIPE
    for words in commands:
        processes.append(subprocess.Popen([str(MRUN), *words], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          cwd=home.path, env=home.env))
        if source is not subprocess.PIPE:
            source.close()
        source = processes[-1].stdout
    processes[0].stdin.write(input)
    processes[0].stdin.close()
    out = processes[-1].stdout.read()
    codes = [process.wait(timeout=60) for process in processes]
    errors = [process.stderr.read().decode() for process in processes]
    return codes, out, errors


def main(home):
    home.model("test/image", inputs="image: {type: file, accept: [image/png]}\nmode: {type: string, default: echo}", output="type: file")
    home.model("test/size", inputs="image: {type: file}", output="type: any")
    home.model("test/say", inputs="text: {type: string}", output="type: string")
    home.mrun("predict", "test/say", "-i", "text=warm")

    first = ["predict", "test/image", "-i", "image=@-", "-o", "-"]
    for size in (10, 1_000_000):
        data = PNG + os.urandom(size)
        codes, out, errors = pipeline(home, first, first, input=data)
        assert codes == [0, 0] and out == data and errors == ["", ""], (codes, errors)
    # What comes is looked at, whatever its name: the type is told by the bytes.
    codes, out, errors = pipeline(home, first, ["predict", "test/size", "-i", "image=@-"], input=data)
    assert codes == [0, 0] and b'"size":1000008' in out, (codes, out, errors)
    codes, _, errors = pipeline(home, ["predict", "test/say", "-i", "text=@-", "-o", "-"], first, input=b"no picture")
    assert codes == [0, 2] and "M1307" in errors[1] and "image/png" in errors[1], (codes, errors)
    # Text goes on as text; a failed one gives nothing, and the next says what it misses.
    codes, out, _ = pipeline(home, ["predict", "test/say", "-i", "text=@-"], ["predict", "test/say", "-i", "text=@-", "-o", "-"], input=b"hi")
    assert codes == [0, 0] and out.strip() == b"hi", (codes, out)
    codes, _, errors = pipeline(home, [*first, "-i", "mode=fail:no"], first, input=data)
    assert codes[0] == 1 and codes[1] == 2 and "M1307" in errors[1], (codes, errors)
    # A folder of -o is made; one that can't be is told before anything runs.
    (home.path / "file").write_text("in the way")
    count = len(home.api("GET", "/v1/predictions").json()["results"])
    refused = home.fails("M1001", 2, "predict", "test/say", "-i", "text=a", "-o", "file/x.txt")
    assert "not a folder" in refused.err and len(home.api("GET", "/v1/predictions").json()["results"]) == count
    home.mrun("predict", "test/say", "-i", "text=a", "-o", "deep/er/%{index}.%{ext}")
    assert (home.path / "deep/er/0.txt").read_text() == "a\n"


run(main)
