"""Goal: a registry behind a proxy sends nobody to an address within, which no_proxy or its nearness would have reached directly."""

from connect_proxy import Proxy
from faulty_registry import Faulty, says
from harness import Home, run

HOST = "registry.example.com"


def main(home):
    inside = Faulty()
    home.model("demo/words", files={"label.txt": "one"})
    registry = Faulty(home.home / "data")
    proxy = Proxy(home.path, {HOST: registry})
    other = Home()
    env = proxy.env | {"no_proxy": "10.0.0.0/8,169.254.169.254"}
    try:
        for place in ("https://10.255.255.1", "https://169.254.169.254", f"https://{inside.host}", "https://127.0.0.1:1"):
            registry.plan = lambda handler, place=place: "/blobs/" in handler.path and handler.reply(307, b"", [("Location", f"{place}/x?SIGNATURE")])
            refused = other.fails("M1703", 1, "pull", f"{HOST}/demo/words", env=env | {"MRUN_LOG": "debug"})
            assert "private network" in refused.err and "SIGNATURE" not in refused.err, (place, refused)
            registry.plan = says(401, WWW_Authenticate=f'Bearer realm="{place}/token"')
            other.fails("M1703", 1, "pull", f"{HOST}/demo/words", env=env)
        assert inside.seen == []
        # The proxy leads on to what lies behind it.
        registry.plan = lambda handler: "/blobs/" in handler.path and "?again" not in handler.path and handler.reply(
            307, b"", [("Location", f"https://{HOST}{handler.path}?again")])
        other.mrun("pull", f"{HOST}/demo/words", env=env)
    finally:
        proxy.shutdown()
        for one in (registry, inside):
            one.close()
        other.close()


run(main)
