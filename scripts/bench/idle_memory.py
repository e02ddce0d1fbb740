"""(d) Idle memory (PSS): the daemon, the daemon with its zygote, coglet and LitServe.

coglet runs the echo predictor without torch for its own share; LitServe has MiniLM loaded, as it always has.
usage: scripts/bench/run idle_memory
"""

import time

import lib


def main():
    home = lib.packed_home("minilm")
    home.mrun("daemon", "start")
    lib.wait_for_zygote(home)
    home.mrun("predict", "demo/minilm", "-i", "text=hello")
    home.mrun("stop", "demo/minilm")
    time.sleep(1)
    daemon = lib.pss(home.daemon_pid())
    everything = sum(lib.pss(pid) for pid in home.processes())
    home.close()
    rows = {"mrund": daemon, "mrund with the torch zygote": everything}
    for name, make in {"coglet (echo)": lambda: lib.coglet("echo_predict.py"), "LitServe (MiniLM)": lib.litserve}.items():
        peer = make()
        try:
            peer.first_reply()
            time.sleep(1)
            rows[name] = peer.memory_pss()
        finally:
            peer.close()
    print("| process | PSS, MB |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value / 1e6:.1f} |")
    lib.write("idle_memory", {"pss_bytes": rows})


main()
