"""What a trainer counts of the requests it answers: plain numbers, read when somebody asks."""

from collections.abc import Iterator

from engine.shells.histogram import Histogram
from engine.shells.reading import Reading, counter, gauge
from streams.events import Retrain
from trainers.retraining.ledger import Decision

BOUNDS_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
OUTCOMES_MAX = 200
PROMOTED, CANARY, OTHER = "promoted", "canary", "other"
_NS = 1e9


class TrainingMeter:
    """Counts since the process began. An outcome is promoted, canary, or the reason against it."""

    def __init__(self) -> None:
        self._decisions: dict[tuple[str, str], int] = {}
        self._refused = 0
        self._times = Histogram(BOUNDS_S)
        self._busy = 0

    def begin(self) -> None:
        """Note that a request is worked on."""
        self._busy += 1

    def end(self) -> None:
        """Note that it is not any more, whatever became of it."""
        self._busy -= 1

    def decide(self, request: Retrain, decision: Decision, seconds: float) -> None:
        """Count a request that was decided by this trainer, and how long that took."""
        outcome = decision.reason.partition(":")[0] or OTHER
        if decision.is_promoted:
            outcome = CANARY if 0.0 < decision.deployment.share < 1.0 else PROMOTED
        key = (request.action, outcome)
        if key not in self._decisions and len(self._decisions) >= OUTCOMES_MAX:
            key = (request.action, OTHER)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        self._times.add(int(seconds * _NS))

    def refuse(self) -> None:
        """Count a request that cannot be read or honoured."""
        self._refused += 1

    def readings(self) -> Iterator[Reading]:
        """Yield what was counted."""
        meaning = "Requests decided, by what was asked for and what it came to."
        for (action, outcome), count in self._decisions.items():
            yield counter("training_decisions", meaning, count, action=action, outcome=outcome)
        yield counter("training_dead_letters", "Requests that are none.", self._refused)
        yield gauge("training_busy", "Requests that are worked on.", self._busy)
        meaning = "From taking a request to its decision, training and judging included."
        yield self._times.reading("training_decision_seconds", meaning)
