"""Goal: prices are found, checked by every rule, overridden by the user's own, and gated by their age."""

import datetime
import http.server
import json
import threading

from harness import run


def day(days_ago):
    return (datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=days_ago)).isoformat()


def row(**keys):
    made = {"provider": "acme", "sku": "T4", "kind": "runtime", "usd": 0.5, "per": "gpu_h", "dims": {"product": "public"},
            "states": {"active": 1, "idle": 0}, "granularity_s": 1, "read_on": day(3), "source": "contract 7", "confidence": "A"}
    return made | keys


def write(home, name, rows):
    path = home.path / name
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows, indent=1))
    return path


def the_shipped_book(home):
    rows = home.mrun("prices", "ls", "--json", "--all").json()["rows"]
    assert len(rows) > 150 and all(r["source"] and r["read_on"] and r["origin"] == "shipped" for r in rows)
    assert "per gpu_h" in home.mrun("prices", "show", "h100", "sxm").out
    assert "0 refused by a rule" in home.mrun("prices", "verify").out
    found = home.fails("M1911", 5, "prices", "ls", "replicat3")
    assert "replicate" in found.err, found
    assert home.mrun("prices", "ls", "t4", "--per", "gpu_s").out.count("gpu_s") == 1


def import_takes_all_or_nothing(home):
    own = home.home / "prices.json"
    # Line and column of what is wrong.
    path = write(home, "bad.json", [row(), row(sku="L4", read_on="2026-13-01")])
    assert "bad.json:" in home.fails("M1910", 2, "prices", "import", path).err and not own.exists()
    for text in ("{}", "[1]", "[", '[{"provider": "a", "provider": "b"}]', "[" * 5000, '[{"dims": {"a": {"b": 1}}}]', ""):
        home.fails("M1910", 2, "prices", "import", write(home, "bad.json", text))
    place = home.fails("M1910", 2, "prices", "import", write(home, "bad.json", "[\n  {\"usd\": 1},\n  nonsense\n]")).err
    assert "bad.json:3:" in place, place
    # The traps.
    for rule, changes in (("unit_band", {"usd": 0.000027, "kind": "image", "per": "image", "sku": "FLUX"}), ("node_price", {"usd": 6.4, "sku": "T4"}),
                          ("future_date", {"read_on": day(-3)}), ("trap_source", {"source": "brick-house.org"}),
                          ("marketing_price", {"source": "GPUs as low as $0.5"}), ("not_in_evidence", {"evidence": "0.7"})):
        bad = write(home, "bad.json", [row(**changes)])
        home.fails("M1910", 2, "prices", "import", bad)
        verdict = home.try_mrun("prices", "verify", bad, "--json")
        assert verdict.code == 2 and [f["rule"] for f in verdict.json()["findings"]] == [rule], (rule, verdict)
    assert not own.exists()
    said = home.mrun("prices", "import", write(home, "good.json", [row()]), "--dry-run")
    assert "1 new" in said.out and not own.exists()
    home.mrun("prices", "import", home.path / "good.json")
    assert own.exists()
    # A unit that slipped is seen against what was there.
    home.fails("M1910", 2, "prices", "import", write(home, "bad.json", [row(sku="T4", usd=0.5 / 25, per="gpu_h")]))


def own_rows_override(home):
    public = {"provider": "replicate", "sku": "CPU 4x 8GB", "per": "instance_s", "usd": 0.0002,
              "dims": {"product": "public", "gpu_count": 0, "cpu_count": 4, "memory_gb": 8},
              "states": {"queue": 0, "pull": 0, "setup": 0, "active": 1, "idle": 0, "canceled": 1, "aborted": 0}}
    said = home.mrun("prices", "import", write(home, "good.json", [row(**public)]))
    assert "0.0001 → 0.0002 (+100.0 %)" in said.out, said
    rows = home.mrun("prices", "ls", "replicate", "cpu", "public", "--json").json()["rows"]
    assert [(r["usd"], r["origin"]) for r in rows] == [("0.0002", "own")], rows
    # The daemon goes by them too.
    home.model("test/echo")
    reference = home.mrun("predict", "test/echo", "--json").json()["metrics"]["cost_reference"]
    assert reference["rate"] == "0.0002" and reference["source"] == "contract 7", reference
    home.mrun("daemon", "stop")


def age_gates(home):
    path = write(home, "good.json", [row(sku="L4", read_on=day(400))])
    home.mrun("prices", "import", path)
    status = home.try_mrun("prices", "status", "--max-age", "399d", "--json")
    acme = next(p for p in status.json()["providers"] if p["provider"] == "acme")
    assert status.code == 4 and acme["too_old_count"] == 1 and acme["oldest_age_days"] == 400, status
    home.mrun("prices", "status", "--max-age", "100000d")
    home.fails("M1912", 4, "prices", "status", "--max-age", "0d")
    home.fails("M1004", 2, "prices", "status", "--max-age", "soon")


def update_from_file_and_url(home):
    newer = [row(provider="newco", sku="L4", read_on=day(1))]
    path = write(home, "newer.json", newer)
    home.mrun("prices", "update", "--from", path)
    assert home.mrun("prices", "ls", "newco", "--json").json()["rows"][0]["origin"] == "updated"
    home.fails("M1001", 2, "prices", "update")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            moved = self.path == "/moved"
            self.send_response(302 if moved else 200 if self.path == "/prices.json" else 404)
            if moved:
                self.send_header("Location", "http://169.254.169.254/secret")
            body = json.dumps([row(provider="webco", sku="L4")]).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    home.mrun("prices", "update", "--from", f"{base}/prices.json")
    assert home.mrun("prices", "ls", "webco", "--json").json()["rows"][0]["origin"] == "updated"
    home.fails("M1911", 5, "prices", "ls", "newco")  # the newer book took the older one's place
    assert "169.254.169.254" in home.fails("M1910", 2, "prices", "update", "--from", f"{base}/moved").err
    home.fails("M1910", 2, "prices", "update", "--from", f"{base}/nothing")
    home.fails("M1910", 2, "prices", "update", "--from", "http://prices.invalid/p.json")
    server.shutdown()


def main(home):
    the_shipped_book(home)
    import_takes_all_or_nothing(home)
    own_rows_override(home)
    age_gates(home)
    update_from_file_and_url(home)


run(main)
