"""Goal: Replicate's HTTP API works over the socket: create, wait, get, cancel, list, stream, files, models, errors."""

from harness import run


INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}\nms: {type: integer, default: 100}"


def events(reply):
    """The server-sent events of a reply: [(event, id, data)]."""
    found = []
    for block in reply.body.decode().split("\n\n"):
        fields = {"data": []}
        for line in block.splitlines():
            if line.startswith(":") or ": " not in line + " ":
                continue
            key, _, value = line.partition(": ")
            fields["data"].append(value) if key == "data" else fields.__setitem__(key, value)
        if "event" in fields:
            found.append((fields["event"], fields.get("id"), "\n".join(fields["data"])))
    return found


def main(home):
    home.model("test/echo", inputs=INPUTS, output="type: string\niterator: true\nconcatenate: true")
    home.mrun("daemon", "start")

    # Wait: 201 with the whole thing.
    reply = home.predict("test/echo", text="hello")
    assert reply.status == 201 and reply.json()["status"] == "succeeded", reply
    assert reply.headers["preference-applied"].startswith("wait") and reply.headers["cache-control"] == "no-store"
    prediction = reply.json()
    assert all(isinstance(url, str) for url in prediction["urls"].values()) and "stream" in prediction["urls"]

    # A version is found under each of its names.
    home.mrun("tag", "test/echo", "aa/first")
    for model in ("aa/first", "test/echo"):
        version = home.api("GET", f"/v1/models/{model}").json()["latest_version"]["id"]
        assert home.api("GET", f"/v1/models/{model}/versions/{version}").json()["id"] == version == prediction["version"], model

    # Without wait: accepted, then polled.
    reply = home.predict("test/echo", wait=False, text="later")
    assert reply.status in (201, 202) and reply.json()["status"] in ("starting", "processing", "succeeded"), reply
    assert home.finish(reply.json()["id"])["status"] == "succeeded"

    # The three forms of version, and the models form.
    for version in ("test/echo", f"test/echo:{prediction['version']}", prediction["version"]):
        assert home.predict(version, text="x").json()["status"] == "succeeded"
    assert home.api("POST", "/v1/models/test/echo/predictions", {"input": {"text": "x"}}, {"Prefer": "wait"}).json()["status"] == "succeeded"
    assert home.api("POST", "/v1/v1/predictions", {"version": "test/echo", "input": {"text": "x"}}, {"Prefer": "wait"}).status == 201

    # A wait that ends too early says "starting", and the prediction goes on; cancel ends it.
    reply = home.api("POST", "/v1/predictions", {"version": "test/echo", "input": {"mode": "slow", "ms": 30000}}, {"Prefer": "wait=1"})
    assert reply.status in (201, 202) and reply.json()["status"] == "starting", reply
    slow = reply.json()["id"]
    assert home.api("GET", f"/v1/predictions/{slow}").json()["status"] == "processing"
    assert home.api("POST", f"/v1/predictions/{slow}/cancel").json()["id"] == slow
    assert home.finish(slow)["status"] == "canceled"

    # List: newest first, pages by absolute URLs.
    page = home.api("GET", "/v1/predictions").json()
    assert set(page) >= {"next", "previous", "results"} and len(page["results"]) >= 6
    stamps = [p["created_at"] for p in page["results"]]
    assert stamps == sorted(stamps, reverse=True)

    # Stream: output events with ids, then done.
    reply = home.api("GET", prediction["urls"]["stream"].split("localhost", 1)[1], headers={"Accept": "text/event-stream"})
    assert reply.headers["content-type"].startswith("text/event-stream"), reply
    seen = events(reply)
    assert [e for e, _, _ in seen][-1] == "done" and all(i for _, i, _ in seen) and {e for e, _, _ in seen} <= {"output", "logs", "error", "done"}, seen
    assert "".join(d for e, _, d in seen if e == "output") == "hello", seen

    # Models and versions.
    assert home.api("GET", "/v1/models/test/echo").json()["name"] == "echo"
    versions = home.api("GET", "/v1/models/test/echo/versions").json()["results"]
    assert versions[0]["id"] == prediction["version"] and versions[0]["openapi_schema"]["components"]["schemas"]["Input"], versions
    assert home.api("GET", f"/v1/models/test/echo/versions/{prediction['version']}").json()["id"] == prediction["version"]

    # Files: upload, look, use, remove.
    boundary = "xyz"
    body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n"
            f"file body\r\n--{boundary}--\r\n")
    reply = home.api("POST", "/v1/files", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert reply.status == 201 and reply.json()["size"] == 9 and reply.json()["urls"]["get"], reply
    file = reply.json()
    assert home.api("GET", f"/v1/files/{file['id']}").json()["id"] == file["id"]
    assert home.api("DELETE", f"/v1/files/{file['id']}").status == 204
    assert home.api("GET", f"/v1/files/{file['id']}").status == 404

    # Errors: problem objects with Replicate's three members.
    for method, path, body, status, code in (
            ("GET", "/v1/predictions/" + "a" * 26, None, 404, "M1506"), ("GET", "/v1/nothing", None, 404, "M1510"),
            ("PUT", "/v1/predictions", {}, 405, "M1511"), ("POST", "/v1/predictions", {"version": "no/such", "input": {}}, 404, "M1202"),
            ("POST", "/v1/predictions", {"version": "test/echo", "inputs": {}}, 422, "M1513"),
            ("POST", "/v1/predictions", {"version": "Bad Name!", "input": {}}, 422, "M1201")):
        reply = home.api(method, path, body)
        assert reply.status == status and reply.json()["code"] == code and reply.json()["status"] == status, (path, reply)
    reply = home.api("POST", "/v1/predictions", "{", {"Content-Type": "application/json"})
    assert reply.status in (400, 422) and reply.json()["code"] == "M1513", reply
    assert home.api("POST", "/v1/predictions", "{}", {"Content-Type": "text/plain"}).json()["code"] == "M1512"
    assert home.api("GET", "/v1/predictions", headers={"Origin": "http://evil.example"}).status == 403
    assert home.api("GET", "/healthz").status == 200


run(main)
