"""Every command's --json, really printed: `samples(home)` gives (schema's name, document) pairs, several of a kind where a
member may be absent or null. `infer(documents)` drafts a schema from them, for new ones (MRUN_ACCEPT=1)."""

import json
import os
import re

from model_files import huggingface_files, safetensors
from registry_server import Registry

# Objects whose keys are data (currencies, units, dtypes, tags, names), not members.
MAPS = {"amounts", "units", "dtypes", "tags", "unknown_units", "phases_ns", "examples", "input", "output", "manifest", "properties", "metrics", "labels",
        "basis", "inputs", "assumed", "openapi", "schema_document", "options", "details", "measured", "annotations"}


def kind_of(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def infer(values, name=""):
    kinds = sorted({kind_of(value) for value in values})
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    if kinds == ["null"]:  # what it is when it is there, no sample has shown
        return {}
    schema = {} if not kinds else {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [value for value in values if isinstance(value, dict)]
    is_map = name in MAPS or any(not re.fullmatch(r"[a-z_][a-z0-9_]*", key) for value in objects for key in value)
    if objects and not is_map:
        members = sorted({key for value in objects for key in value})
        schema["properties"] = {key: {"const": objects[0]["schema"]} if key == "schema" and str(objects[0]["schema"]).startswith("mrun.")
                                else infer([value[key] for value in objects if key in value], key) for key in members}
        schema["required"] = [key for key in members if all(key in value for value in objects)]
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        schema["items"] = infer(items, name)
    return schema


def samples(home):
    found = []

    def take(*words, codes=(0,), **options):
        outcome = home.try_mrun(*words, "--json", **options)
        assert outcome.code in codes, (words, outcome)
        document = json.loads(outcome.out)
        found.append((document["schema"].removeprefix("mrun.").replace("/", ".") + ".json", document))
        return document

    registry = Registry(home.path / "registry")
    try:
        local(home, take)
        shared(home, take, registry)
        measured(home, take)
    finally:
        registry.close()
    return found


def local(home, take):
    take("version")
    take("ls")
    take("ps")
    take("init")
    take("init", home.path / "made", "--template", "process", "--name", "me/made")
    folder = home.model("test/echo", inputs="text: {type: string, default: hello}\nmode: {type: string, default: echo}", pack=False,
                        files={"weights.safetensors": safetensors({"a": ("F32", [1000, 1000], bytes(4_000_000))}), "words.txt": "one"})
    take("pack", folder)
    take("pack", folder)
    (folder / "words.txt").write_text("two")
    take("pack", folder, "-t", "test/echo:v2")
    take("diff", "test/echo", "test/echo:v2", codes=(0, 3))
    take("diff", "test/echo", "test/echo")
    take("ls")
    take("show", "test/echo")
    take("tag", "test/echo", "me/other")
    take("rm", "-y", "me/other")
    take("rm", "-n", "test/echo:v2")
    take("gc", "-n")
    take("gc", "-y")
    take("verify", "--all")
    take("verify", "test/echo")
    take("save", "test/echo", "-o", home.path / "echo.tar")
    take("load", home.path / "echo.tar")
    take("inspect", folder / "weights.safetensors")
    foreign = home.path / "hf"
    foreign.mkdir()
    for name, content in huggingface_files().items():
        (foreign / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    take("import", foreign, "--as", "test/foreign")
    take("help")
    take("help", "predict")
    take("explain", "M1302")
    take("explain", "exit-codes")
    take("config", "list")
    take("config", "get", "max_queue")
    take("config", "set", "max_queue", "200")
    take("config", "path")
    take("doctor", codes=(0, 3))


def shared(home, take, registry):
    remote = f"{registry.host}/test/echo"
    take("push", "test/echo", remote, "--dry-run")
    take("push", "test/echo", remote)
    take("push", "test/echo", remote)
    take("tags", remote)
    take("inspect", remote)
    take("pull", remote, "--dry-run")
    take("pull", remote)
    take("pull", f"{remote}:latest", "-f")
    take("lock", remote)
    closed = Registry(home.path / "closed", "me", "secret")
    try:
        take("login", closed.host, "-u", "me", "--token-stdin", input="secret")
        take("logout", closed.host)
        take("logout", closed.host, codes=(0, 5))
    finally:
        closed.close()


def measured(home, take):
    take("daemon", "start")
    take("daemon", "socket")
    take("daemon", "status")
    home.mrun("cost", "setup", "--price", "2000", "--watts-active", "450", "--watts-idle", "60", "--kwh", "0.15", "--years", "3", "--resale", "200")
    take("cost", "setup", "--price", "2000", "--watts-active", "450", "--watts-idle", "60", "--kwh", "0.15", "--years", "3", "--resale", "200")
    home.mrun("daemon", "stop")
    prediction = home.mrun("predict", "test/echo", "--tag", "user=alice", "--json").json()
    home.try_mrun("predict", "test/echo", "-i", "mode=fail:no")
    take("ps")
    take("logs", prediction["id"])
    take("show", "test/echo")
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    take("cancel", slow)
    home.finish(slow)
    take("ledger")
    take("ledger", "--limit", "1")
    take("stats", "--by", "tag:user")
    take("stats")
    take("snippet", "test/echo")
    take("token", "create", "app")
    take("token", "create", "short", "--expires", "1h")
    take("token", "ls")
    take("token", "revoke", "app")
    take("prices", "ls", "h100")
    take("prices", "show", "replicate", "T4")
    take("prices", "status")
    take("prices", "verify", codes=(0, 2, 3))
    contract = home.path / "contract.json"
    contract.write_text(json.dumps([{"provider": "acme", "sku": "T4", "kind": "runtime", "usd": 0.5, "per": "gpu_h", "dims": {"product": "public"},
                                     "states": {"active": 1, "idle": 0}, "granularity_s": 1, "read_on": "2026-11-20", "source": "contract 7",
                                     "confidence": "A"}]))
    take("prices", "import", contract, "--dry-run")
    take("prices", "import", contract)
    estimate = take("cost", "estimate", "test/echo", "-i", "text=x", "--run")
    take("cost", "estimate", "test/echo", "--assume", "seconds=3")
    take("cost", "check", estimate["id"])
    features = os.path.join(os.environ["MRUN_SOURCE"], "docs/features/chatbot.yaml")
    take("cost", "action", features, "--max-age", "9999d")
    take("cost", "diff", features, features, "--max-age", "9999d")
    take("bench", "test/echo", "--duration", "300ms", "-n", "7", codes=(0, 9))
    take("bench", "test/echo", "--mode", "load", "--concurrency", "1,2", "--duration", "300ms", "--slo", "p50=1s", codes=(0, 3, 9))
    take("stop", "test/echo")
    take("daemon", "stop")
