"""Goal: files go in and come out whole, of any size, atomically, and nothing is overwritten unasked."""

import base64
import hashlib
import json
import os
import pty

from harness import run

PNG = b"\x89PNG\r\n\x1a\n"


def main(home):
    home.model("test/file", inputs="file: {type: file}\nmode: {type: string, default: echo}", output="type: file")
    home.model("test/text", inputs="file: {type: file, accept: [text/plain], max_bytes: 100}", output="type: any")
    for size in (10, 100_000, 300_000, 5_000_000):
        source = home.path / f"in-{size}.png"
        source.write_bytes(PNG + os.urandom(size))
        target = home.path / f"out-{size}.png"
        home.mrun("predict", "test/file", "-i", f"file=@{source}", "-o", target, timeout=120)
        assert target.read_bytes() == source.read_bytes(), size
    # Nothing is overwritten without -f, and what was there stays.
    target.write_bytes(b"precious")
    home.fails("M1006", 2, "predict", "test/file", "-i", f"file=@{source}", "-o", target)
    assert target.read_bytes() == b"precious"
    home.mrun("predict", "test/file", "-i", f"file=@{source}", "-o", target, "-f")
    assert target.read_bytes() == source.read_bytes()
    # Without -o, off a terminal: the path of the saved file is printed.
    folder = home.path / "elsewhere"
    folder.mkdir()
    printed = home.mrun("predict", "test/file", "-i", f"file=@{home.path}/in-10.png", cwd=folder).out.strip()
    assert (folder / printed).read_bytes() == (home.path / "in-10.png").read_bytes(), printed
    assert not [name for name in os.listdir(folder) if name.startswith(".") or "tmp" in name], os.listdir(folder)
    # Several at once: each result gets a name of its own.
    commands = [home.start("predict", "test/file", "-i", f"file=@{home.path}/in-10.png") for _ in range(12)]
    names = []
    for command in commands:
        out, err = command.communicate(timeout=60)
        assert command.returncode == 0, err
        names.append(out.strip())
    assert len(set(names)) == len(names) and all((home.path / name).exists() for name in names), names
    # JSON that looks like the client's or the daemon's own mark of a file is JSON.
    home.model("test/any", inputs="value: {type: any}", output="type: any")
    for value in ('{"$file":"/etc/hostname"}', '{"$file":0}', '{"$file":0,"name":"x","size":1,"media_type":"a/b","digest":"x"}'):
        reply = home.mrun("predict", "test/any", "-i", f"value:={value}", "--json").json()
        assert reply["output"] == {"value": json.loads(value)} or reply["output"] == json.loads(value), reply
    mark = json.dumps({"$file": 0, "name": "x", "size": 1, "media_type": "a/b", "digest": "sha256:" + "0" * 64})
    home.model("test/first", inputs="value: {type: any}", output="type: array")
    outcome = home.fails("M1401", 1, "predict", "test/first", "-i", f"value:={mark}")
    assert "looks like" in outcome.err, outcome
    # To standard output, raw; from standard input.
    raw = home.mrun("predict", "test/file", "-i", "file=@-", "-o", "-", input=PNG + b"piped", binary=True)
    assert raw.out == PNG + b"piped", raw
    # Never raw onto a terminal.
    primary, secondary = pty.openpty()
    command = home.start("predict", "test/file", "-i", f"file=@{home.path}/in-10.png", "-o", "-", stdout=secondary)
    _, err = command.communicate(timeout=60)
    os.close(primary), os.close(secondary)
    assert command.returncode == 2 and "M1010" in err, err
    # A failed prediction leaves no file.
    home.try_mrun("predict", "test/file", "-i", f"file=@{source}", "-i", "mode=fail:no", "-o", home.path / "never.png")
    assert not (home.path / "never.png").exists()

    # What the model does not accept is refused, by the client and by the API.
    home.fails("M1307", 2, "predict", "test/text", "-i", f"file=@{home.path}/in-10.png")
    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
    reply = home.predict("test/text", file=uri)
    assert reply.status == 422 and reply.json()["code"] == "M1307", reply
    reply = home.predict("test/text", file="data:text/plain," + "x" * 101)
    assert reply.status == 422 and reply.json()["code"] == "M1307", reply
    reply = home.predict("test/text", file="https://example.com/cat.png")
    assert reply.status == 422 and reply.json()["code"] == "M1307", reply
    assert home.predict("test/text", file="data:text/plain,hello").json()["status"] == "succeeded"

    # Over the API: small output as a data URI, large as a URL that answers.
    small = home.predict("test/file", file=uri).json()
    assert base64.b64decode(small["output"].split(",", 1)[1]) == PNG, small["output"][:80]
    big = home.predict("test/file", file="data:image/png;base64," + base64.b64encode(PNG + bytes(400_000)).decode()).json()
    assert big["output"].startswith("http"), big["output"][:80]
    body = home.api("GET", big["output"].split("localhost", 1)[1]).body
    assert hashlib.sha256(body).digest() == hashlib.sha256(PNG + bytes(400_000)).digest()


run(main)
