"""Goal: kill -9 of daemon and workers at random moments under load, 100 times: nothing lost, nothing twice."""

import os

os.environ.setdefault("MRUN_CHAOS_KILLS", "100")
import chaos  # noqa: E402
from harness import run  # noqa: E402

run(chaos.main)
