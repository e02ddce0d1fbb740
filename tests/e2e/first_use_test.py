"""Goal: the first commands of a new home may start together: each of them packs its model."""

import shutil

from harness import run

ROUNDS = 12


def main(home):
    folders = [home.model(f"test/m{i}", pack=False, files={"a.txt": str(i)}) for i in range(6)]
    for _ in range(ROUNDS):
        shutil.rmtree(home.home, ignore_errors=True)
        packing = [home.start("pack", folder) for folder in folders]
        ended = [(process.communicate(timeout=100), process.returncode) for process in packing]
        assert all(code == 0 for _, code in ended), ended
        assert [model["model"] for model in home.mrun("ls", "--json").json()["models"]] == [f"test/m{i}" for i in range(6)]
    home.mrun("verify", "--all")


run(main)
