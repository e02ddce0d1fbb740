"""Goal: diff says what a new version changes, which of it breaks callers, and ends with the exit code for that."""

import json
import struct

from harness import run


def safetensors(tensors):
    """F32 tensors by name, of these numbers."""
    header, data = {}, b""
    for name, numbers in tensors.items():
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": [len(numbers)], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def main(home):
    def pack(tag, tensors, inputs, extra=""):
        text = (f"mrun: 1\nname: demo/net\nengine: echo\nfiles: [model.safetensors]\nlicense: MIT\ninputs: {inputs}\n"
                f"output: {{type: any}}\n{extra}")
        folder = home.model(folder=tag, pack=False, text=text, files={"model.safetensors": safetensors(tensors)})
        return home.mrun("pack", folder, "-t", f"demo/net:{tag}").out.strip()

    weights = {"head": [1, 2, 3], "body": [0.5] * 1000, "gone": [1]}
    one = pack("v1", weights, "{steps: {type: integer, default: 10, le: 100}}")
    pack("v2", {"head": [1, 2, 4], "body": [0.5] * 1000, "new": [7]}, "{steps: {type: integer, default: 20, le: 200}}")
    pack("v3", weights, "{steps: {type: integer, default: 10, le: 50}, seed: {type: integer}}")

    same = home.mrun("diff", "demo/net:v1", one, "--exit-code")
    assert same.out == "" and same.err == "no difference\n", same

    # What breaks nobody is exit code 0, unless any difference counts.
    wider = home.mrun("diff", "demo/net:v1", "demo/net:v2")
    assert "inputs.steps: at most 200, was at most 100" in wider.out and "breaks" not in wider.out, wider
    for line in ("changed   head  F32 [3]", "added     new  F32 [1]", "removed   gone  F32 [1]", "1 tensor the same, 3.9 KiB"):
        assert line in wider.out, (line, wider)
    assert wider.err == "nothing breaks callers\n", wider
    assert home.try_mrun("diff", "demo/net:v1", "demo/net:v2", "--exit-code").code == 3

    # What does is 3.
    broken = home.try_mrun("diff", "demo/net:v1", "demo/net:v3")
    assert broken.code == 3 and broken.err == "2 changes break callers\n", broken
    assert "breaks    inputs.steps: at most 50, was at most 100" in broken.out, broken
    assert "breaks    inputs.seed: new, required: an integer" in broken.out, broken
    report = home.try_mrun("diff", "demo/net:v1", "demo/net:v3", "--json")
    assert report.code == 3 and report.err == "", report
    parsed = report.json()
    assert parsed["schema"] == "mrun.diff/v1" and parsed["before"] == one and parsed["breaks_callers"], parsed
    assert [change["aspect"] for change in parsed["schema_changes"]] == ["range", "added"], parsed
    assert [file["path"] for file in parsed["files"]] == ["mrun.yaml"] and parsed["same_files"] == 1, parsed

    home.fails("M1202", 5, "diff", "demo/net:v1", "demo/net:v9")
    home.fails("M1001", 2, "diff", "demo/net:v1")


run(main)
