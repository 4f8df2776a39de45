"""An optimisation in a process of its own, for tests that kill it.

python -m tests.trainers.research.optimise_process FOLDER LOCATION WORKERS
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.trainers.noise import random_walk_history
from tests.trainers.research.optimising import optimised, run_of
from trainers.research.evaluation import Evaluated, Evaluator
from trainers.research.optimiser import OptimiserRun

TRIALS = 16
TRIAL_S = 0.25
STUDY = "killed"


def run_in(folder: Path, location: str, workers: int) -> OptimiserRun:
    history = random_walk_history(21, symbols=4, bars=600)
    return run_of(history, folder, trials=TRIALS, workers=workers, study=STUDY, location=location)


def _slow_down() -> None:
    """Let trials last long enough to be killed within one."""
    plain = Evaluator.evaluate

    def evaluate(self: Evaluator, params: Mapping[str, Any]) -> Evaluated:
        time.sleep(TRIAL_S)
        return plain(self, params)

    Evaluator.evaluate = evaluate


if __name__ in ("__main__", "__mp_main__"):
    # Workers import this module under the second name.
    _slow_down()

if __name__ == "__main__":
    optimised(run_in(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
