"""Goal: parser, --help, man pages, docs/cli.md and completion say the same, since all come from one table.

`MRUN_ACCEPT=1` writes docs/cli.md and exits with 77, which counts as skipped.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ["MRUN_BUILD"])
MRUN = BUILD / "bin/mrun"
env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "MRUN_HOME": "/nonexistent/home", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def mrun(*args):
    done = subprocess.run([MRUN, *args], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, (args, done)
    return done.stdout


def page(path):
    """A man page as a reader sees it, on one line."""
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", path], capture_output=True, text=True, check=True).stdout
    return " ".join(re.sub(".\x08", "", text).split())


def plain(text):
    return " ".join(text.replace("`", "").split())


def flag_works(command, flag):
    """The parser takes it: with --help the rest is not looked at."""
    value = flag["choices"][0] if flag["choices"] else "1"
    words = [f"--{flag['name']}"] + ([value] if flag["value"] else [])
    mrun(command, *words, "--help")
    if flag["short"]:
        mrun(command, f"-{flag['short']}", *words[1:], "--help")


def main():
    reference = SOURCE / "docs/cli.md"
    made = (BUILD / "man/cli.md").read_text()
    if os.environ.get("MRUN_ACCEPT"):
        reference.write_text(made)
        sys.exit(77)
    assert reference.read_text() == made, f"{reference} is not what the table says: MRUN_ACCEPT=1 scripts/test -R cli_docs writes it"

    table = json.loads(mrun("help", "--json"))
    assert table["schema"] == "mrun.help/v1" and len(table["commands"]) > 25
    overview, first_page = mrun("--help"), page(BUILD / "man/mrun.1")
    for row in table["environment"]:
        assert plain(row["says"]) in first_page and row["says"] in mrun("help", "environment") and row["name"] in made, row
    for row in table["exit_codes"]:
        assert row["meaning"] in first_page and row["meaning"] in mrun("explain", "exit-codes"), row
    for command in table["commands"]:
        name = command["name"]
        help_text, man = mrun("help", name), page(BUILD / f"man/mrun-{name}.1")
        completed = dict(line.split("\t", 1) for line in mrun("__complete", "fish", name, "--").splitlines())
        assert command["summary"] in overview and command["summary"] in made and f"mrun-{name}(1)" in first_page, name
        assert plain(command["description"]) in man and command["description"] in help_text and command["description"] in made, (name, man)
        assert command["examples"] and name in mrun("__complete", "fish", name).split()
        for example in command["examples"]:
            assert example["command"] in help_text and example["command"] in man and example["command"] in made, (name, example)
        for positional in command["positionals"]:
            assert plain(positional["help"]) in man and positional["help"] in help_text, (name, positional)
        for flag in command["flags"] + table["common_flags"]:
            dashed = f"--{flag['name']}"
            assert dashed in help_text and flag["help"] in help_text, (name, flag)
            assert dashed in man and plain(flag["help"]) in man, (name, flag)
            assert f"`{dashed}`" in made and completed[dashed] == flag["help"], (name, flag)
            flag_works(name, flag)
        if command["streams"]:
            for text in (help_text, man, made):
                assert "--json=stream" in text, name
            assert mrun("__complete", "fish", name, "--json=").split() == ["--json=stream"], name
        assert set(completed) == {f"--{flag['name']}" for flag in command["flags"] + table["common_flags"]}, name

    schema = json.loads((SOURCE / "packager/mrun.schema.json").read_text())
    manifest = page(BUILD / "man/mrun.yaml.5")
    assert all(key in manifest for key in schema["properties"]), manifest
    pages = sorted((BUILD / "man").glob("*.[158]")) + sorted((SOURCE / "man").glob("*.8"))
    assert len(pages) == len(table["commands"]) + 3, pages
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True)
    # That a page it refers to is not installed here says nothing of the page.
    problems = [line for line in lint.stdout.splitlines() if "referenced manual not found" not in line]
    assert not problems, "\n".join(problems)


main()
