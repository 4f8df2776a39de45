"""An optimisation in a process of its own, for tests that kill it.

python -m tests.trainers.optimiser.optimise_process FOLDER LOCATION WORKERS

The first trial of each process takes until two processes have begun one: however slowly the second
one starts, there is work left for it.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.trainers.noise import random_walk_history
from tests.trainers.optimiser.optimising import optimised, run_of
from trainers.optimiser.evaluation import Evaluated, Evaluator
from trainers.optimiser.optimiser import OptimiserRun

TRIALS = 10
TRIAL_S = 0.1
MEETING_S = 60.0
STUDY = "killed"


def run_in(folder: Path, location: str, workers: int) -> OptimiserRun:
    history = random_walk_history(21, symbols=2, bars=400)
    return run_of(history, folder, trials=TRIALS, workers=workers, study=STUDY, location=location)


def _slow_down(folder: Path) -> None:
    """Let trials last long enough to be killed within one."""
    plain = Evaluator.evaluate

    def evaluate(self: Evaluator, params: Mapping[str, Any]) -> Evaluated:
        _meet(folder)
        time.sleep(TRIAL_S)
        return plain(self, params)

    Evaluator.evaluate = evaluate


def _meet(folder: Path) -> None:
    (folder / f"{os.getpid()}.begun").touch()
    ends = time.monotonic() + MEETING_S
    while len(list(folder.glob("*.begun"))) < 2:
        assert time.monotonic() < ends, "no second process has begun"
        time.sleep(0.02)


if __name__ in ("__main__", "__mp_main__"):
    # Workers import this module under the second name.
    _slow_down(Path(sys.argv[1]))

if __name__ == "__main__":
    optimised(run_in(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
