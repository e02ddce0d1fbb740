"""Artifacts as other tools push them to a registry: ModelPack in raw layers and archives."""

import json

PACK = "application/vnd.cncf.model"
CONFIG_TYPE = PACK + ".config.v1+json"
ARTIFACT = PACK + ".manifest.v1+json"
CONFIG = json.dumps({"descriptor": {"name": "tiny"}, "config": {}, "modelfs": {"type": "layers", "diffIds": []}}).encode()


def weight_class(name):
    if name.endswith(".safetensors") or name.endswith(".gguf"):
        return "weight"
    return "doc" if name.endswith(".md") else "weight.config"


def push_raw(registry, repository, files, tag="latest", prefix="org.cncf.model"):
    config = registry.put_blob(repository, CONFIG, CONFIG_TYPE)
    layers = [registry.put_blob(repository, content, f"{PACK}.{weight_class(name)}.v1.raw", {f"{prefix}.filepath": name})
              for name, content in files.items()]
    return registry.put_artifact(repository, tag, config, layers, ARTIFACT)


def push_layer(registry, repository, content, packing, tag="latest"):
    config = registry.put_blob(repository, CONFIG, CONFIG_TYPE)
    layer = registry.put_blob(repository, content, f"{PACK}.weight.v1.{packing}")
    return registry.put_artifact(repository, tag, config, [layer], ARTIFACT)
