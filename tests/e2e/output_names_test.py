"""Goal: a name for an output (-o) that can't be used is refused before anything runs, as far as it can be known then; what was
computed all the same is never lost."""

from harness import run

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def count(home):
    return len(home.mrun("predictions", "--json").json()["predictions"])


def main(home):
    home.model("test/text", inputs=INPUTS, output="type: string")
    home.model("test/talk", inputs=INPUTS, output="type: string\niterator: true\nconcatenate: true")
    home.model("test/any", inputs=INPUTS)
    home.model("test/file", inputs="file: {type: file}\nmode: {type: string, default: echo}", output="type: file")
    home.mrun("predict", "test/text")
    out = home.path / "out"
    out.mkdir()

    # A mark that there is not would be a part of the name.
    for name, says in (("%{idx}", "%{index}"), ("%{name}", "%{index} and %{ext}"), ("%{ext", "%{ext}"), ("%{}", "%{index}"), ("%{index}-%{indx}", "the nearest is %{index}")):
        for more in ([], ["-n", "2"]):
            refused = home.fails("M1001", 2, "predict", "test/text", "-o", out / name, *more)
            assert "has no mark" in refused.err and says in refused.err, refused
    identity = home.mrun("predictions", "--json").json()["predictions"][0]["id"]
    home.fails("M1001", 2, "wait", identity, "-o", out / "%{idx}")
    home.fails("M1001", 2, "wait", identity, identity, "-o", out / "%{index}%{id}")
    assert count(home) == 1 and not list(out.iterdir())

    # What stands there is not replaced, and nothing runs for it.
    for taken in ("0.txt", "2.txt", "plain"):
        (out / taken).write_text("mine")
    home.fails("M1006", 2, "predict", "test/text", "-o", out / "%{index}.%{ext}")
    home.fails("M1006", 2, "predict", "test/text", "-o", out / "%{index}.txt")
    home.fails("M1006", 2, "predict", "test/any", "-o", out / "%{index}.txt")
    home.fails("M1006", 2, "predict", "test/text", "-o", out / "plain")
    home.fails("M1006", 2, "predict", "test/text", "-n", "3", "--jobs", "3", "-o", out / "%{index}.%{ext}")
    home.fails("M1006", 2, "predict", "test/talk", "-n", "3", "-o", out / "%{index}.%{ext}")
    assert count(home) == 1 and sorted(path.name for path in out.iterdir()) == ["0.txt", "2.txt", "plain"]
    # With --keep-going, and where no end of the inputs is known, the others run.
    going = home.try_mrun("predict", "test/text", "-n", "4", "--keep-going", "-o", out / "%{index}.%{ext}")
    assert going.code == 2 and going.err.count("M1006") == 2 and count(home) == 3, going
    assert (out / "1.txt").read_text() == (out / "3.txt").read_text() == "hello\n" and (out / "2.txt").read_text() == "mine"
    piped = home.try_mrun("predict", "test/text", "--inputs", "-", "-o", out / "p%{index}.%{ext}", input='{"text": "a"}\n' * 2)
    assert piped.code == 0 and (out / "p1.txt").read_text() == "a\n", piped
    (out / "q1.txt").write_text("mine")
    home.fails("M1006", 2, "predict", "test/text", "--inputs", "-", "-o", out / "q%{index}.%{ext}", input='{"text": "a"}\n' * 3)
    assert (out / "q0.txt").exists() and count(home) == 6
    home.mrun("predict", "test/text", "-n", "3", "-f", "-o", out / "%{index}.%{ext}")
    assert (out / "2.txt").read_text() == "hello\n"

    # What a file's name ends with is known only afterwards: then the result is still to be had.
    picture = home.path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (out / "0.png").write_text("mine")
    late = home.fails("M1006", 2, "predict", "test/file", "-i", f"file=@{picture}", "-o", out / "%{index}.%{ext}")
    assert "mrun wait" in late.err and "has succeeded" in late.err and (out / "0.png").read_text() == "mine", late
    words = late.err.partition("mrun wait ")[2].split()
    home.mrun("wait", words[0], "-o", out / "kept.png")
    assert (out / "kept.png").read_bytes() == picture.read_bytes()
    full = home.try_mrun("predict", "test/file", "-i", f"file=@{picture}", "-o", "/dev/full")
    assert full.code == 1 and "M1207" in full.err and "mrun wait" in full.err, full


run(main)
