"""What a ModelPack artifact must be, in our own words, and how two other tools read one.

The rules are those of modelpack/model-spec (docs/config.md, schema/config-schema.json): closed objects, these keys, these
types. The readers do what modctl (pkg/backend/extract.go, pkg/codec/raw.go) and Docker Model Runner
(pkg/distribution/internal/bundle/unpack.go) do with a manifest.

Each config is also checked against upstream's JSON schema, which the package modelpack-client brings along, and each
artifact pulled by that client, which others wrote. MRUN_MODELPACK_SCHEMA=FILE: another schema/config-schema.json.
"""

import json
import os
import pathlib
import re
import subprocess

MODALITIES = {"text", "image", "audio", "video", "embedding", "other"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def text(value):
    return isinstance(value, str)


def texts(value):
    return isinstance(value, list) and all(map(text, value))


def modalities(value):
    return texts(value) and set(value) <= MODALITIES


def closed(rules, needed=()):
    """An object with these keys only; each value passes its rule."""
    def check(value):
        return (isinstance(value, dict) and set(value) <= set(rules) and set(needed) <= set(value)
                and all(rules[key](item) for key, item in value.items()))
    return check


CAPABILITIES = closed({
    "inputTypes": modalities, "outputTypes": modalities, "reasoning": lambda v: isinstance(v, bool),
    "toolUsage": lambda v: isinstance(v, bool), "reward": lambda v: isinstance(v, bool),
    "knowledgeCutoff": lambda v: text(v) and TIME.fullmatch(v),
    "languages": lambda v: texts(v) and all(re.fullmatch("[a-z]{2}", language) for language in v)})
CONFIG = closed({
    "descriptor": closed({
        "createdAt": lambda v: text(v) and TIME.fullmatch(v), "authors": texts, "family": text, "name": lambda v: text(v) and v,
        "docURL": text, "sourceURL": text, "datasetsURL": texts, "version": text, "revision": text, "vendor": text,
        "licenses": texts, "title": text, "description": text}),
    "config": closed({
        "architecture": text, "format": text, "paramSize": lambda v: text(v) and re.fullmatch(r"\d+(\.\d)?[QTBMKqtbmk]", v),
        "precision": text, "quantization": text, "capabilities": CAPABILITIES}),
    "modelfs": closed({"type": lambda v: v == "layers", "diffIds": lambda v: texts(v) and v}, ["type", "diffIds"]),
}, ["descriptor", "config", "modelfs"])


VALIDATE = """
import json, os, sys
import jsonschema
from modelpack_client.schema import CONFIG_SCHEMA
path = os.environ.get("MRUN_MODELPACK_SCHEMA")
schema = json.load(open(path)) if path else CONFIG_SCHEMA
validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
validator.validate(json.load(sys.stdin))
assert not validator.is_valid({"descriptor": {}, "config": {"unknown": 1}, "modelfs": {"type": "layers", "diffIds": ["x"]}})
"""
PULL = """
import sys
from modelpack_client import ModelPackClient
ModelPackClient(sys.argv[1].split("/")[0], insecure=True).pull(*sys.argv[1:])
"""


def dev_python(program, *arguments, input=None):
    done = subprocess.run([os.environ["MRUN_DEV_PYTHON"], "-c", program, *map(str, arguments)], input=input, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr


def check_upstream_schema(config):
    dev_python(VALIDATE, input=json.dumps(config))


def pull_by_other_client(reference, folder):
    """path -> content, as the package modelpack-client gets it; it checks digests, types and the config itself."""
    dev_python(PULL, reference, folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}


def check_artifact(manifest, config):
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    assert CONFIG(config), config
    check_upstream_schema(config)
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]
    for layer in manifest["layers"]:
        assert DIGEST.fullmatch(layer["digest"])
        assert re.fullmatch(r"application/vnd\.cncf\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.raw", layer["mediaType"]), layer
        assert layer["annotations"]["org.cncf.model.file.mediatype.untested"] in ("true", "false")


def modctl_extract(manifest, blob):
    """path -> (content, mode), as `modctl pull --extract-dir` writes files."""
    files = {}
    for layer in manifest["layers"]:
        assert layer["mediaType"].endswith((".raw", ".tar")), "unsupported codec type"
        path = layer["annotations"]["org.cncf.model.filepath"]
        metadata = json.loads(layer["annotations"]["org.cncf.model.file.metadata+json"])
        assert set(metadata) == {"name", "mode", "uid", "gid", "size", "mtime", "typeflag"} and TIME.fullmatch(metadata["mtime"])
        content = blob(layer["digest"])
        assert metadata["size"] == layer["size"] == len(content)
        files[path] = content, metadata["mode"]
    return files


def model_runner_unpack(manifest, config):
    """The format, and the path of the weight file that Docker Model Runner starts its engine with."""
    assert "modelfs" in config # how it knows the config
    kind = config["config"].get("format", "").lower()
    first = None
    for layer in manifest["layers"]:
        path = layer["annotations"]["org.cncf.model.filepath"]
        assert not path.startswith("/") and ".." not in path.split("/")
        if layer["mediaType"] == "application/vnd.cncf.model.weight.v1.raw" and "mmproj" not in path:
            first = first or path
    assert kind in ("gguf", "safetensors", "dduf", "diffusers"), kind
    return kind, first
