"""Goal: every command, and every action of those that have some, does its work on a terminal: it ends as documented, says a
failure in one clear error, and writes no control characters but line ends, colours and the erasing of a line."""

import re
import signal

from harness import SOURCE, run
from registry_server import Registry
from screen import Screen

ALLOWED = re.compile(r"\x1b\[[0-9;]*m|\r(?=\x1b\[K)|\x1b\[[0-2]?[KJ]|\r+\n")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
CRASHED = re.compile(r"Traceback|Sanitizer|terminate called|core dumped|\.cpp:\d")
ERROR = re.compile(r"^error\[M\d{4}\]: \S.*$", re.M)
FEATURE = SOURCE / "docs/features/chatbot.yaml"


class Case:
    """`mrun WORDS` ends with one of the exit codes and shows the text; `keys` are typed, or a signal is sent, when what they
    answer is shown."""

    def __init__(self, words, shows="", *codes, keys=()):
        self.words, self.shows, self.codes, self.keys = words.split(), shows, codes or (0,), keys


def cases(host, ended):
    """In this order: what one makes the next ones use."""
    remote = f"{host}/test/echo"
    yield Case("version", "mrun ")
    yield Case("help", "Start here")
    yield Case("explain M1202", "M1202")
    yield Case("completion bash", "_mrun")
    yield Case("completion zsh", "compdef")
    yield Case("completion fish", "complete -c mrun")
    yield Case("doctor", "ok", 0, 3)  # by what this machine lacks
    yield Case("config path", "config.yaml")
    yield Case("config set max_queue 7", "kept in")
    yield Case("config list", "max_queue")
    yield Case("config get max_queue", "7")
    yield Case("config unset max_queue", "kept in")
    # Models here.
    yield Case("init new --template process", "new")
    yield Case("pack test-echo", "test/echo")
    yield Case("import test-echo", "error", 2)
    yield Case("ls", "test/echo")
    yield Case("show test/echo", "Apache-2.0")
    yield Case("schema test/echo", "text")
    yield Case("snippet test/echo", "test/echo")
    yield Case("tag test/echo test/echo:v2", "v2")
    yield Case("diff test/echo test/echo:v2")
    yield Case("inspect ./no.pt2", "no.pt2", 1, 2, 5)
    yield Case("save test/echo -o echo.tar")
    yield Case("load echo.tar test/loaded")
    yield Case("verify --all")
    yield Case("lock test/echo")
    yield Case("rm test/loaded", keys=[("[y/N]", "y\n")])
    yield Case("gc -y")
    # Predictions.
    yield Case("predict test/echo", "hello")
    yield Case("predict test/none", "test/none", 5)
    yield Case("predictions", "test/echo")
    yield Case("ps", "test/echo")
    yield Case(f"wait {ended}", "hello")
    yield Case(f"logs {ended}")
    yield Case(f"cancel {ended}")
    yield Case("bench test/echo --mode cold -n 1", "valid", 0, 9)
    yield Case("stop test/echo")
    # What it cost.
    yield Case("ledger", "prediction")
    yield Case("stats", "test/echo")
    yield Case("prices ls t4", "t4")
    yield Case("prices show replicate T4", "replicate.com/pricing")
    yield Case("prices status")
    yield Case("prices verify no.json", "no.json", 1, 2)
    yield Case("prices import no.json", "no.json", 1, 2)
    yield Case("prices update --from no.json", "no.json", 1, 2)
    yield Case("cost setup --price 900 --resale 0 --years 3 --watts-active 60 --watts-idle 10 --kwh 0.3", "an hour at work costs")
    yield Case("cost estimate test/echo", "test/echo")
    yield Case("cost check 0", "error", 4)
    yield Case(f"cost action {FEATURE} --max-age 9999d", "worst")
    yield Case(f"cost diff {FEATURE} {FEATURE} --max-age 9999d")
    # A registry.
    yield Case(f"login {host}", keys=[("user: ", "me\n"), ("password or token: ", "hidden-word\n")])
    yield Case(f"push test/echo {remote}")
    yield Case(f"tags {remote}", "latest")
    yield Case(f"inspect {remote}", "Apache-2.0")
    yield Case(f"pull {remote}")
    yield Case(f"logout {host}")
    # The daemon.
    yield Case("token create app")
    yield Case("token ls", "app")
    yield Case("token revoke app", "app")
    yield Case("daemon status")
    yield Case("daemon socket", "mrun.sock")
    yield Case("daemon stop")
    yield Case("daemon start")
    yield Case("daemon stop")
    yield Case("daemon run", "stopped", 0, 130, keys=[("is ready", signal.SIGINT)])


def uncovered(table, covered):
    """Commands, and values of a first word that is a choice, that no case begins with."""
    for command in table:
        first = command["positionals"][0]["choices"] if command["positionals"] else []
        for words in [[command["name"], choice] for choice in first] or [[command["name"]]]:
            if words not in [case.words[: len(words)] for case in covered]:
                yield " ".join(words)


def complaint(home, case):
    screen = Screen(home, *case.words)
    for asked, keys in case.keys:
        screen.then(asked)
        screen.process.send_signal(keys) if isinstance(keys, signal.Signals) else screen.type(keys)
    screen.end(case.codes)
    shown = ALLOWED.sub(lambda match: "\n" if match[0].endswith("\n") else "", screen.shown)
    errors = ERROR.findall(shown)
    if CONTROLS.search(shown):
        return "has control characters"
    if CRASHED.search(shown) or "hidden-word" in shown:
        return "shows what it should not"
    if case.shows.lower() not in shown.lower():
        return f"does not show {case.shows!r}"
    if len(errors) != (screen.process.returncode not in (0, 3, 9, 130)):
        return f"ends with {screen.process.returncode} and {len(errors)} errors"
    return None


def main(home):
    home.model("test/echo")
    ended = home.mrun("predict", "test/echo", "--json").json()["id"]
    registry = Registry(home.path / "registry")
    try:
        all_cases = list(cases(registry.host, ended))
        missing = list(uncovered(home.mrun("help", "--json").json()["commands"], all_cases))
        assert not missing, f"add a case for {missing}"
        problems = []
        for case in all_cases:
            try:
                problem = complaint(home, case)
            except AssertionError as error:
                problem = str(error)
            if problem is not None:
                problems.append(f"mrun {' '.join(case.words)}: {problem}")
        assert not problems, "\n".join(problems)
    finally:
        registry.close()


run(main)
