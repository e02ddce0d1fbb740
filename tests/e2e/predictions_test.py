"""Goal: `mrun predictions` lists what runs and what has run, by model, version, status, tag and time, page by page, and shows one whole."""


from harness import run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}\nkey: {type: secret, optional: true}"
ROW = {"id", "model", "version", "status", "created_at", "started_at", "completed_at", "deadline", "error", "device", "cold_start",
       "predict_ns", "total_ns", "cost", "tags"}


def rows(home, *words):
    return home.mrun("predictions", "--json", *words).json()["predictions"]


def main(home):
    home.model("test/echo", inputs=INPUTS, extra="concurrency: 4\n")
    home.model("test/other", inputs=INPUTS)
    assert "no such prediction" in home.mrun("predictions").err and rows(home) == []
    for i in range(5):
        home.mrun("predict", "test/echo", "-i", f"text=number {i}", "--tag", f"user={'alice' if i % 2 else 'bob'}")
    home.try_mrun("predict", "test/other", "-i", "mode=fail:on purpose")
    running = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    wait_for(lambda: rows(home, "--status", "processing"), 20, "it to run")

    # All of them, newest first, in each form.
    everything = home.mrun("predictions", "--json").json()
    assert everything["schema"] == "mrun.predictions/v1" and everything["next"] is None and len(everything["predictions"]) == 7
    for row in everything["predictions"]:
        assert set(row) == ROW, row
    assert everything["predictions"][0]["id"] == running and everything["predictions"][0]["cost"]["reason"] == "it has not ended"
    ids = [row["id"] for row in everything["predictions"]]
    assert ids == sorted(ids, reverse=True)
    failed = everything["predictions"][1]
    assert failed["error"] == {"code": "M1401", "class": "prediction_failed", "message": failed["error"]["message"]} and "on purpose" in failed["error"]["message"]
    table = home.mrun("predictions").out.splitlines()
    assert table[0].split() == ["ID", "MODEL", "STATUS", "CREATED", "TIME", "DEVICE", "COST", "ERROR"] and len(table) == 8, table
    assert "M1401" in table[2] and "processing" in table[1], table
    plain = [line.split("\t") for line in home.mrun("predictions", "--plain").out.splitlines()]
    assert [fields[0] for fields in plain] == ids and all(len(fields) == 14 for fields in plain), plain
    assert plain[1][12] == "M1401" and plain[2][13] == "user=bob", plain

    # Filters, alone and together.
    assert len(rows(home, "--model", "test/other")) == 1 and rows(home, "--model", "test/none") == []
    assert len(rows(home, "--status", "succeeded")) == 5 and len(rows(home, "--status", "failed")) == 1
    assert len(rows(home, "--tag", "user=alice")) == 2 and len(rows(home, "--tag", "user=bob", "--status", "succeeded")) == 3
    version = failed["version"]
    assert len(rows(home, "--version", version[:8])) == 1 and len(rows(home, "--since", "1h")) == 7 and rows(home, "--until", "2020-01-01") == []
    third = everything["predictions"][3]["created_at"]
    assert [row["id"] for row in rows(home, "--since", third)] == ids[:4] and [row["id"] for row in rows(home, "--until", third)] == ids[4:]

    # Pages: nothing twice, nothing left out, whatever comes meanwhile.
    walked, cursor = [], []
    while True:
        page = home.mrun("predictions", "--json", "--limit", "3", *cursor).json()
        walked += [row["id"] for row in page["predictions"]]
        home.mrun("predict", "test/other")
        if page["next"] is None:
            break
        cursor = ["--cursor", page["next"]]
    assert walked == ids, (walked, ids)

    assert "more: --cursor" in home.mrun("predictions", "--limit", "2").err

    # One whole: input, output, phases; no secret; JSON of a schema.
    first = home.mrun("predictions", ids[-1])
    for word in (ids[-1], "test/echo", "succeeded", "number 0", "timings", "predict", "user=bob"):
        assert word in first.out, (word, first)
    document = home.mrun("predictions", ids[-1], "--json").json()
    assert document["schema"] == "mrun.prediction/v1" and document["prediction"]["mrun"]["tags"] == {"user": "bob"}
    home.model("test/secret", inputs="a_text: {type: string, default: seen}\nkey: {type: secret}", output="type: string")
    secret = home.mrun("predict", "test/secret", "-i", "key=hunter22", "--json").json()["id"]
    assert "hunter22" not in home.mrun("predictions", secret).out + home.mrun("predictions", secret, "--json").out
    assert "on purpose" in home.mrun("predictions", failed["id"]).out
    home.fails("M1506", 5, "predictions", "0" * 26)
    home.fails("M1506", 5, "predictions", "../status")

    # What can't be asked.
    for words, code in ((["--status", "done"], "M1004"), (["--since", "yesterday"], "M1004"), (["--version", "xyz"], "M1901"), (["--tag", "x"], "M1900"),
                        (["--limit", "0"], "M1004"), (["--limit", "-5"], "M1004"), (["--cursor", "x"], "M1901"), ([ids[0], "--limit", "1"], "M1001")):
        home.fails(code, 2, "predictions", *words)
    assert home.api("GET", "/mrun/v1/predictions?kind=setup").status == 400 and home.api("GET", "/mrun/v1/predictions?modle=x").json()["hint"]
    home.mrun("cancel", running)
    # The list outlives the daemon.
    home.mrun("daemon", "stop")
    assert ids[-1] in home.mrun("predictions", "--plain").out


run(main)
