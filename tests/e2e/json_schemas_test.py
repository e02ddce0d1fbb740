"""Goal: what the commands print with --json is what the JSON Schemas of docs/formats/schemas say, every one of them."""

import json
import os
import re
import sys

from harness import SOURCE, run
from schema_samples import infer, samples

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
# Inner documents: of files, of requests, and of a dry run that says what `pull` does.
NOT_OF_A_COMMAND = {"recipe", "describe", "lock", "model_spec", "pulls"}
KNOWN = {"$schema", "title", "type", "properties", "required", "additionalProperties", "items", "enum", "const", "oneOf", "pattern", "minimum"}


def problems(schema, value, place="$"):
    """What breaks the schema: of JSON Schema 2020-12 those keywords that the schemas use, and no other."""
    assert set(schema) <= KNOWN, (place, set(schema) - KNOWN)
    kinds = schema.get("type", list(TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_kind = any(isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds)
    if not is_kind and not (schema.get("type") is None and isinstance(value, float)):
        return [f"{place} is {value!r}, not {kinds}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place} is {value!r}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{place} is {value!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{place} is {value}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{place} is {value!r}")
    if "oneOf" in schema and sum(not problems(one, value, place) for one in schema["oneOf"]) != 1:
        found.append(f"{place} fits not one of {schema['oneOf']}: {value!r}")
    if isinstance(value, dict):
        # Open for whoever reads by them; here a member that a schema does not name is one that it forgot.
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties", not properties)
        found += [f"{place} has no {name}" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            rule = properties.get(name, {} if extra is True else extra)
            found += [f"{place} has {name}"] if rule is False else problems(rule, member, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += problems(schema["items"], item, f"{place}[{i}]")
    return found


def main(home):
    folder = SOURCE / "docs/formats/schemas"
    schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    checked = set()

    def check(name, text):
        checked.add(name)
        for line in text.splitlines():
            found = problems(schemas[name], json.loads(line))
            assert not found, (name, found, line)

    home.model("test/echo", inputs="text: {type: string, default: hello}\nmode: {type: string, default: echo}", extra="concurrency: 4\n")
    check("plan.v1.json", home.mrun("predict", "test/echo", "--dry-run", "--json").out)
    check("ps.v1.json", home.mrun("ps", "--json").out)
    check("replicate-prediction.json", home.mrun("predict", "test/echo", "--json").out)
    check("plan.v1.json", home.mrun("predict", "test/echo", "--dry-run", "--json").out)
    check("ps.v1.json", home.mrun("ps", "--json").out)
    check("event.v1.json", home.mrun("predict", "test/echo", "-n", "2", "--json=stream").out)
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    failed = home.try_mrun("predict", "test/echo", "-i", "mode=fail:no", "--json", "--tag", "user=alice")
    check("error.json", failed.err)
    check("error.json", home.try_mrun("predict", "test/none", "--json").err)
    failed = json.loads(failed.err)["error"]["details"]["prediction"]["id"]
    check("wait.v1.json", home.try_mrun("wait", failed, slow, "--timeout", "200ms", "--json").out)
    check("predictions.v1.json", home.mrun("predictions", "--json").out)
    check("predictions.v1.json", home.mrun("predictions", "--json", "--limit", "1").out)
    check("prediction.v1.json", home.mrun("predictions", failed, "--json").out)
    check("event.v1.json", home.mrun("logs", "-f", failed, "--json=stream").out)
    lines = home.try_mrun("predict", "test/echo", "--inputs", "-", "--keep-going", "--json", input='{"text": "a"}\n{"txet": "b"}\n').out.splitlines()
    check("replicate-prediction.json", lines[0])
    check("refusal.v1.json", lines[1])
    home.mrun("cancel", slow)
    home.mrun("stop", "test/echo")
    documents = {}
    for name, document in samples(home):
        documents.setdefault(name, []).append(document)
    drafted = [name for name in documents if name not in schemas]
    if os.environ.get("MRUN_ACCEPT"):
        for name in drafted:
            schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{documents[name][0]['schema']}, of --json"}
            (folder / name).write_text(json.dumps(schema | infer(documents[name]), indent=2) + "\n")
        print(f"skipped: drafted {drafted}")
        sys.exit(77)
    assert not drafted, f"no schema of {drafted}: MRUN_ACCEPT=1 drafts them, for you to look over"
    for name, some in documents.items():
        for document in some:
            check(name, json.dumps(document))
    assert checked == set(schemas), set(schemas) - checked
    # Every command's own, by the code: a new one can't be forgotten.
    printed = {name for path in (SOURCE / "cli").rglob("*.cpp") if "/tests/" not in str(path)
               for name in re.findall(r'"mrun\.([a-z_-]+)/v(?:\d+)"', path.read_text())}
    known = {name.split(".")[0] for name in schemas} | NOT_OF_A_COMMAND
    assert printed <= known, sorted(printed - known)
    ls = {"schema": "mrun.ls/v1", "models": []}
    assert not problems(schemas["ls.v1.json"], ls) and problems(schemas["ls.v1.json"], ls | {"more": 1}), "new members pass"
    assert problems(schemas["wait.v1.json"], {"schema": "mrun.wait/v1", "predictions": [{}], "pending": None}), "the check checks nothing"


run(main)
