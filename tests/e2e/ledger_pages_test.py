"""Goal: a walk over the pages of the ledger repeats no line and leaves none out, while predictions end meanwhile."""

import threading

from harness import run


def main(home):
    home.model("test/echo")
    home.mrun("daemon", "start")
    for _ in range(25):
        assert home.predict("test/echo").status == 201
    before = {row["id"] for row in home.api("GET", "/mrun/v1/ledger?limit=1000").json()["rows"]}
    assert len(before) >= 50, "25 predictions, a load, and the stretches between them"
    stop = threading.Event()

    def load():
        while not stop.is_set():
            home.predict("test/echo")

    clients = [threading.Thread(target=load) for _ in range(3)]
    for client in clients:
        client.start()
    seen, cursor, pages = [], "", 0
    try:
        while True:
            page = home.api("GET", f"/mrun/v1/ledger?limit=7{cursor}").json()
            seen += [row["id"] for row in page["rows"]]
            pages += 1
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert len(seen) == len(set(seen)), "a line came twice"
    assert before <= set(seen) and pages > 5, (len(before - set(seen)), pages)


run(main)
