"""Goal: kill -9 of daemon and workers at random moments under load: nothing lost, nothing twice (the short run)."""

import chaos
from harness import run

run(chaos.main)
