"""Goal: a program that came from elsewhere runs only after --trust, asked for once per version; one that was packed
here runs at once."""

import subprocess

from harness import Home, run
from registry_server import Registry


def native_model(home, name):
    """The C++ template, built."""
    folder = home.path / "native"
    home.mrun("init", folder, "--template", "cpp", "--name", name)
    subprocess.run(["c++", "-std=c++20", "-shared", "-fPIC", "-I", folder, "-o", folder / "predictor.so", folder / "predictor.cpp"], check=True)
    return folder


def main(home):
    other, registry = Home(), Registry(home.path / "registry")
    try:
        check(home, other, registry)
    finally:
        other.close()
        registry.close()


def check(home, other, registry):
    remote = f"{registry.host}/demo/words"
    folder = native_model(home, "demo/words")
    (home.path / "text.txt").write_text("one two two")
    inputs = ["-i", f"document=@{home.path}/text.txt"]

    # Packed here: nobody is asked, with a tag and without.
    version = home.mrun("pack", folder).out.strip()
    answer = home.mrun("predict", "demo/words", *inputs).out
    assert home.mrun("predict", folder, *inputs).out == answer
    home.mrun("push", "demo/words", remote)

    # From elsewhere: looked at and pulled freely, run only after consent; not by the command, not by the API.
    assert "--trust" in other.mrun("inspect", remote).out
    assert other.mrun("inspect", remote, "--json").json()["native_code"] is True
    assert "--trust" in other.mrun("pull", remote).err
    refused = other.fails("M1418", 4, "predict", "demo/words", *inputs)
    assert "mrun predict demo/words --trust" in refused.err, refused
    other.fails("M1418", 4, "predict", remote, *inputs)
    other.mrun("daemon", "start")
    reply = other.predict("demo/words", document="data:text/plain,one")
    assert reply.status == 403 and reply.json()["code"] == "M1418", reply
    assert not other.workers()["models"]
    # Another tag for it is no consent.
    other.mrun("tag", "demo/words", "me/words")
    other.fails("M1418", 4, "predict", "me/words", *inputs)

    # Once, for all names of this version.
    assert other.mrun("predict", remote, "--trust", *inputs).out == answer
    assert other.mrun("predict", "me/words", *inputs).out == answer
    assert other.predict("demo/words", document="data:text/plain,one").status in (200, 201)

    # A changed version is another program.
    (folder / "README.md").write_text("changed")
    home.mrun("pack", folder)
    home.mrun("push", "demo/words", remote)
    other.mrun("pull", remote)
    other.fails("M1418", 4, "predict", "demo/words", *inputs)
    assert other.mrun("predict", f"demo/words@{version}", *inputs).out == answer
    assert "--trust" not in other.mrun("pull", remote, "--trust").err
    assert other.mrun("predict", "demo/words", *inputs).out == answer

    # Consent goes with the version.
    for name in ("demo/words", "me/words"):
        other.mrun("rm", name, "-y")
    other.mrun("daemon", "stop")
    other.mrun("gc", "-y")
    assert not list((other.home / "data/trusted").iterdir())

    # By a file it is the same.
    home.mrun("save", "demo/words", "-o", home.path / "words.tar")
    assert "--trust" in other.mrun("load", home.path / "words.tar").err
    other.fails("M1418", 4, "predict", "demo/words", *inputs)
    other.mrun("load", home.path / "words.tar", "--trust")
    assert other.mrun("predict", "demo/words", *inputs).out == answer

    # A model without code of its own asks nothing.
    echo = home.model("demo/echo")
    home.mrun("push", "demo/echo", f"{registry.host}/demo/echo")
    other.mrun("predict", f"{registry.host}/demo/echo", "-i", "text=hi")
    assert echo.exists()


run(main)
