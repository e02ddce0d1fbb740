"""Goal: a wrong input is refused before anything runs, naming the key, what is allowed and the nearest right name."""

from harness import run

INPUTS = """\
prompt: {type: string, min_length: 2, max_length: 10}
width: {type: integer, default: 512, ge: 64, le: 1024}
scale: {type: number, default: 1.5, ge: 0, le: 10}
fast: {type: boolean, default: false}
style: {type: string, default: photo, choices: [photo, draw]}
image: {type: file, optional: true, accept: [image/png], max_bytes: 1000}"""


def main(home):
    home.model("test/typed", inputs=INPUTS)

    def refused(code, *arguments, words=()):
        inputs = [part for argument in arguments for part in ("-i", argument)]
        outcome = home.fails(code, 2, "predict", "test/typed", *inputs)
        for word in words:
            assert word in outcome.err, (word, outcome)
        assert outcome.out == "", outcome

    refused("M1301", "prompt=hello", "widht=3", words=["widht", "width"])
    refused("M1302", words=["prompt"])
    refused("M1303", "prompt=hello", "width=wide", words=["width", "integer"])
    refused("M1303", "prompt=hello", "width:=1.5", words=["width"])
    refused("M1303", "prompt=hello", "fast=perhaps", words=["fast", "true or false"])
    refused("M1304", "prompt=hello", "width=5000", words=["width", "5000", "64", "1024"])
    refused("M1304", "prompt=hello", "scale=-1", words=["scale"])
    refused("M1305", "prompt=hello", "style=oil", words=["style", "photo", "draw"])
    refused("M1306", "prompt=x", words=["prompt", "2"])
    refused("M1306", "prompt=" + "x" * 11, words=["prompt", "10"])
    refused("M1307", "prompt=hello", "image=@no-such-file.png", words=["no-such-file.png"])
    refused("M1308", "prompt", words=["key=value"])
    big = home.path / "big.png"
    big.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    refused("M1307", "prompt=hello", f"image=@{big}", words=["image"])

    # Nothing was started for any of these.
    home.mrun("daemon", "start")
    assert not home.workers()["models"], home.workers()

    # Text becomes what the schema says; := is JSON; @@ is a literal @.
    prediction = home.mrun("predict", "test/typed", "-i", "prompt=@@home", "-i", "width=64", "-i", "scale=2", "-i", "fast=true", "--json").json()
    assert prediction["input"] == prediction["input"] | {"prompt": "@home", "width": 64, "scale": 2, "fast": True, "style": "photo"}
    assert home.mrun("predict", "test/typed", "-i", "prompt:=\"12\"", "-i", "width:=65", "--json").json()["input"]["prompt"] == "12"

    # The API refuses the same, as a problem object with a status.
    for input, status, code in (({"prompt": "hello", "widht": 1}, 422, "M1301"), ({}, 422, "M1302"),
                                ({"prompt": "hello", "width": "1"}, 422, "M1303"), ({"prompt": "hello", "width": 1}, 422, "M1304")):
        reply = home.api("POST", "/v1/predictions", {"version": "test/typed", "input": input})
        assert reply.status == status and reply.json()["code"] == code, reply
        assert reply.headers["content-type"].startswith("application/problem+json")
        assert reply.json()["detail"] and reply.json()["title"], reply


run(main)
