"""Goal: `mrun config` shows every key with who says so, and changes one without harming the rest: what the daemon would not
read is never kept, comments stay, and nothing is started."""

from harness import SOURCE, run

FILE = """# my machine
max_queue: 5   # few
cost: {rate: "0.36", per: instance_h, currency: USD}

# the end
zygote: true
"""


def values(home):
    return {row["key"]: row for row in home.mrun("config", "list", "--json").json()["values"]}


def main(home):
    home.home.mkdir(mode=0o700)
    file = home.home / "config.yaml"
    assert home.mrun("config", "path").out.strip() == str(file)
    assert all(row["origin"] in ("default", "found", "MRUN_TORCH_DIR") for row in values(home).values())
    assert home.mrun("config", "get", "max_queue").out == "256\n"

    # What the package ships takes another key at its end, by hand and by command.
    shipped = (SOURCE / "packaging/config.yaml").read_text()
    file.write_text(shipped)
    assert all(row["origin"] in ("default", "found", "MRUN_TORCH_DIR") for row in values(home).values())
    home.mrun("config", "set", "idle_unload", "10m")
    assert file.read_text() == shipped + "idle_unload: 10m\n", file.read_text()
    file.write_text(shipped + "max_queue: 5\n")
    assert home.mrun("config", "get", "max_queue").out == "5\n"

    file.write_text(FILE)
    kept = values(home)
    assert kept["max_queue"] == {"key": "max_queue", "value": "5", "origin": "config.yaml:2"}, kept["max_queue"]
    assert kept["cost"]["value"] == {"rate": "0.36", "per": "instance_h", "currency": "USD"} and kept["cost"]["origin"] == "config.yaml:3"
    table = home.mrun("config", "list", "--show-origin").out
    assert "ORIGIN" in table and "config.yaml:2" in table and "default" in table, table

    home.mrun("config", "set", "max_queue", "7")
    home.mrun("config", "set", "idle_unload", "10m")
    home.mrun("config", "set", "models", "{acme/sdxl: {instances: 2}}")
    text = file.read_text()
    assert text.startswith("# my machine\nmax_queue: 7\n") and "# the end\nzygote: true\n" in text, text
    assert home.mrun("config", "get", "idle_unload").out == "10m\n"
    assert home.mrun("config", "get", "models", "--json").json()["value"] == {"acme/sdxl": {"instances": 2}}
    home.mrun("config", "unset", "models")
    assert "models" not in file.read_text()

    # Of somebody who keeps it elsewhere and lets others read it: link and mode stay.
    kept_at = home.path / "dotfiles/mrun.yaml"
    kept_at.parent.mkdir()
    file.rename(kept_at)
    file.symlink_to("../dotfiles/mrun.yaml")
    kept_at.chmod(0o640)
    home.mrun("config", "set", "max_queue", "8")
    home.mrun("config", "unset", "idle_unload")
    assert file.is_symlink() and "max_queue: 8\n" in kept_at.read_text() and "idle_unload" not in kept_at.read_text()
    assert kept_at.stat().st_mode & 0o7777 == 0o640 and [path.name for path in kept_at.parent.iterdir()] == ["mrun.yaml"]
    file.unlink()
    kept_at.rename(file)
    home.mrun("config", "set", "max_queue", "7")

    # What the daemon would refuse is not kept, and the file's own line is named.
    before = file.read_bytes()
    refused = home.fails("M1603", 2, "config", "set", "max_queue", "many")
    assert "config.yaml:2:" in refused.err and "number from 1" in refused.err, refused
    home.fails("M1603", 2, "config", "set", "listen", "[tcp://0.0.0.0:80")
    assert "max_queue" in home.fails("M1001", 2, "config", "set", "max_queues", "5").err
    for words in (("get",), ("set", "max_queue"), ("list", "max_queue"), ("unset", "max_queue", "5"), ("set", "max_queue", "5\nzygote: false")):
        home.fails("M1001", 2, "config", *words)
    assert file.read_bytes() == before and [path.name for path in home.home.glob("config.yaml*")] == ["config.yaml"]

    # A broken file is said by everything but path; set mends it.
    file.write_text("max_queue: [")
    for words in (("list",), ("get", "zygote")):
        home.fails("M1603", 2, "config", *words)
    home.mrun("config", "path")
    file.write_text("max_queue: many\nzygote: true\n")
    home.mrun("config", "set", "max_queue", "9")
    assert file.read_text() == "max_queue: 9\nzygote: true\n"
    assert not home.processes(), "a daemon was started"
    home.model("test/echo")
    home.mrun("predict", "test/echo")  # and it reads it


run(main)
