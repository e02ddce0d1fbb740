"""Goal: in a log of GitHub Actions nothing that a model says is a command, and a failure is an annotation.

The log is read as the runner reads it (actions/runner: src/Runner.Common/ActionCommand.cs): both streams, `::` behind
blanks and `##[` anywhere are commands, unless `::stop-commands::TOKEN` has come and `::TOKEN::` not yet.
"""

import re

from harness import run

ACTIONS = {"GITHUB_ACTIONS": "true", "CI": "true"}
EVIL = "::error::injected\n  ::set-env name=PATH::/evil\n##[group]x\n::stop-commands::mine\n::endgroup::\nno newline"


def commands(text):
    """The commands that a runner takes from one stream: (name, rest) each."""
    taken, token = [], None
    for line in text.splitlines():
        found = re.match(r"::([^:\s]+)(?: ([^:]*))?::(.*)", line.lstrip()) or re.search(r"##\[([^\]]+)\]()(.*)", line)
        if not found:
            continue
        name, properties, rest = found.groups()
        if token is not None:
            token = None if name == token else token
        elif name == "stop-commands":
            token = rest
            taken.append((name, ""))
        else:
            taken.append((name, f"{properties or ''}|{rest}"))
    assert token is None, text
    return taken


def main(home):
    home.model("test/says", inputs="text: {type: string}", output="type: string")
    home.model("test/breaks", options='mode: "fail:boom"')

    said = home.mrun("predict", "test/says", "-i", f"text={EVIL}", "--github", env=ACTIONS)
    assert EVIL in said.out and said.out.count("\n::endgroup::\n") >= 1, said
    assert [name for name, _ in commands(said.out)] == ["group", "stop-commands", "endgroup"], said.out
    assert not commands(said.err), said.err
    tokens = {re.search(r"stop-commands::([0-9a-f]{32})\n", home.mrun("predict", "test/says", "-i", "text=x", "--github").out).group(1)
              for _ in range(3)}
    assert len(tokens) == 3, tokens

    # Without it what a script takes from standard output is what the model said.
    assert home.mrun("predict", "test/says", "-i", f"text={EVIL}", env=ACTIONS).out == EVIL + "\n"

    broken = home.try_mrun("predict", "test/breaks", "--github", env=ACTIONS)
    assert broken.code == 1, broken
    taken = commands(broken.out)
    assert [name for name, _ in taken] == ["group", "stop-commands", "endgroup", "error"], broken
    assert taken[-1][1].startswith("title=mrun M"), taken
    assert not commands(broken.err), broken.err
    assert "boom" in broken.err

    # What never ran is told as well, without a group.
    wrong = home.try_mrun("predict", "test/nothing", "--github", env=ACTIONS)
    assert wrong.code == 5 and [name for name, _ in commands(wrong.err)] == ["error"], wrong

    failed = next(row for row in home.mrun("predictions", "--json").json()["predictions"] if row["status"] == "failed")
    for command in ("logs", "wait"):
        shown = home.try_mrun(command, failed["id"], "--github", env=ACTIONS)
        assert [name for name, _ in commands(shown.out)][:3] == ["group", "stop-commands", "endgroup"], shown
        assert not commands(shown.err), shown


run(main)
