"""Goal: what a command lists fits the terminal it is shown on, is whole elsewhere, and `--plain` gives it to scripts."""

from harness import run
from screen import on_screen

LONG = "test/" + "a-rather-long-name-" * 4 + "x"
# Each with the fields of a line.
LISTS = ((["ls"], 5), (["ps"], 11), (["predictions"], 14), (["ledger"], 9), (["stats"], 13), (["config", "list"], 2),
         (["config", "list", "--show-origin"], 3), (["token", "ls"], 5), (["prices", "ls", "t4"], 8), (["prices", "status"], 5), (["init"], 2))


def on_terminal(home, columns, *words):
    """The lines that a terminal of so many columns is given."""
    screen = on_screen(home, *words, on=("out",), term="dumb", columns=columns)
    return screen.shown.replace("\r\n", "\n").splitlines()


def main(home):
    home.model(LONG)
    home.mrun("predict", LONG, "-i", "text=x", "--tag", "user=alice")
    home.mrun("token", "create", "some-app")

    for words, fields in LISTS:
        whole = home.mrun(*words).out
        assert "…" not in whole, whole
        rows = home.mrun(*words, "--plain").out.splitlines()
        assert rows and all(len(row.split("\t")) == fields for row in rows), (words, rows)
        assert not rows[0].isupper(), rows[0]  # no header
    assert LONG in home.mrun("ps").out

    digest = home.mrun("ls", "--json").json()["models"][0]
    model, tag, version, size, packed = home.mrun("ls", "--plain").out.rstrip("\n").split("\t")
    assert (model, tag, version, int(size), packed) == (LONG, "latest", digest["digest"], digest["size_bytes"], digest["created_at"])
    kinds = [row.split("\t") for row in home.mrun("ledger", "--plain").out.splitlines()]
    assert any(kind[1] == "prediction" and kind[5].isdigit() and kind[8] == "user=alice" for kind in kinds), kinds
    home.fails("M1001", 2, "stats", "--plain", "--csv")

    for columns in (50, 80, 200):
        for words in (["ls"], ["predictions"], ["ps"], ["prices", "ls", "t4"], ["init"]):
            lines = on_terminal(home, columns, *words)
            whole = home.mrun(*words).out.splitlines()
            fits = columns >= max(map(len, whole))
            # (Times in it go on meanwhile.)
            assert (lines[0].split() == whole[0].split() and "…" not in str(lines)) if fits else "…" in str(lines), (columns, words, lines)
    assert max(map(len, on_terminal(home, 80, "ls"))) <= 80


run(main)
