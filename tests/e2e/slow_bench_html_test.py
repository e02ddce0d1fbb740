"""Goal: the HTML report opens in a real browser: nothing on the console, no request, in light, dark, at phone width and in print.

Needs Debian's packages `chromium` and `poppler-utils`; without them the test is skipped. MRUN_SHOTS=FOLDER keeps the
pictures.
"""

import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

from harness import run

SKIPPED = 77
VIEWS = {"light": ("1100,2600", False), "dark": ("1100,2600", True), "phone": ("390,3600", False), "phone-dark": ("390,3600", True)}


class Proxy:
    """Everything that the browser asks of the network comes here, and is counted."""

    def __init__(self):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                outer.requests.append(f"{self.command} {self.path}")
                self.send_error(404)

            do_GET = do_POST = do_CONNECT = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


def browse(home, page, shot, proxy, *options):
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         f"--user-data-dir={home.path / 'browser'}", "--enable-logging=stderr", "--v=0", "--disable-background-networking",
         "--disable-component-update", "--disable-default-apps", "--no-first-run", "--disable-sync", "--disable-extensions",
         f"--proxy-server={proxy.address}", "--proxy-bypass-list=<-loopback>", *options, "--virtual-time-budget=2000", page.as_uri()],
        capture_output=True, text=True, timeout=240, env=home.env | {"HOME": str(home.path)})
    assert shot.exists(), done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not console, console


def print_out(home, page, name, shots, proxy):
    """On paper, from a dark desktop: the text is there, black on white, and no page is empty."""
    paper = shots / f"{name}.pdf"
    browse(home, page, paper, proxy, "--blink-settings=preferredColorScheme=0", "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    words = subprocess.run(["pdftotext", "-layout", paper, "-"], capture_output=True, text=True, timeout=60, check=True).stdout
    *sheets, rest = words.split("\f")
    assert "Environment" in words and "mrun" in words and not rest.strip() and all(sheet.strip() for sheet in sheets), words
    subprocess.run(["pdftoppm", "-r", "60", "-png", paper, shots / f"{name}-print"], timeout=60, check=True)
    subprocess.run(["pdftoppm", "-r", "10", "-gray", paper, shots / f"{name}-gray"], timeout=60, check=True)
    for sheet in sorted(shots.glob(f"{name}-gray*.pgm")):
        _, _, _, pixels = sheet.read_bytes().split(b"\n", 3)
        assert sum(pixels) / len(pixels) > 200, f"{sheet.name} is a dark sheet"
        sheet.unlink()


def scroll_width(home, page, width):
    """The page's own width in a window that wide: more than that would make a phone scroll sideways."""
    probe = home.path / "probe.html"
    probe.write_text(f'<iframe id="f" src="{page.as_uri()}" style="width:{width}px;height:800px;border:0"></iframe>'
                     '<script>f.onload=()=>{document.title="w"+f.contentDocument.documentElement.scrollWidth}</script>')
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--disable-dev-shm-usage",
         f"--user-data-dir={home.path / 'browser'}", "--virtual-time-budget=3000", "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=120, env=home.env | {"HOME": str(home.path)})
    return int(re.search(r"<title>w(\d+)</title>", done.stdout).group(1))


def main(home):
    shots = pathlib.Path(os.environ.get("MRUN_SHOTS") or home.path / "shots")
    shots.mkdir(parents=True, exist_ok=True)
    home.model("demo/first", options="mode: slow:4")
    home.model("demo/second", options="mode: slow:6", files={"weights.bin": os.urandom(4 << 20)})
    home.model("demo/busy", options="mode: random_slow:8")
    pages = {"gate": home.path / "gate.html", "load": home.path / "load.html", "broken": home.path / "broken.html"}
    home.try_mrun("bench", "demo/second", "--baseline", "demo/first", "--duration", "8s", "-n", "12", "--cold", "disk", "--slo", "p95=20ms",
                  "-o", pages["gate"], timeout=300)
    home.try_mrun("bench", "demo/busy", "--mode", "load", "--duration", "4s", "--slo", "p95=60ms", "-o", pages["load"], timeout=300)
    home.model("demo/broken", options='mode: "fail:<script>alert(1)</script>"')
    home.try_mrun("bench", "demo/broken", "-o", pages["broken"], timeout=300)
    proxy = Proxy()
    for name, page in pages.items():
        for view, (size, dark) in VIEWS.items():
            shot = shots / f"{name}-{view}.png"
            scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
            browse(home, page, shot, proxy, f"--window-size={size}", scheme, f"--screenshot={shot}")
        print_out(home, page, name, shots, proxy)
        assert scroll_width(home, page, 360) <= 360, f"{name} is wider than a phone"
    own = [request for request in proxy.requests if any(host in request for host in ("google", "gvt1", "chromium"))]
    assert set(proxy.requests) == set(own), f"the report asked for {set(proxy.requests) - set(own)}"


if not all(map(shutil.which, ("chromium", "pdftotext", "pdftoppm"))):
    print("skipped: no browser or no PDF tools (apt-get install chromium poppler-utils)")
    sys.exit(SKIPPED)
run(main)
