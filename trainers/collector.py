"""Joins answers with outcomes, in whatever order they arrive, into the feature database."""

from typing import Any

from streams.events import Event, Outcome, Scored
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import Provenance
from trainers.sample import UNTOLD, Sample, is_sound, sample_of

PENDING_MAX = 200_000
LABELLED_MAX = 20_000
BATCH_MAX = 1_000

Key = tuple[str, str]


class Collector:
    """Takes Scored and Outcome events; samples are written at `flush` or when a batch is full.

    At most PENDING_MAX of each wait for the other; beyond that the oldest is given up and
    counted in `lost`. Answers whose virtual outcome is known are kept a while longer, for the
    engine's own trade may close later. A signal answered without a vector makes no sample; an
    outcome that nothing could be learned from is counted in `lost`, samples that were new in
    `added`.

    `is_rereading`: events may be from before the parameters were what they are now, as those of a
    stream that is read from its beginning. A sample that stands there bit for bit under other
    parameters is then not new.
    """

    def __init__(
        self,
        database: FeatureDatabase,
        provenance: Provenance = UNTOLD,
        *,
        is_rereading: bool = False,
    ) -> None:
        self.lost = 0
        self.added = 0
        self._database = database
        self._provenance = provenance
        self._is_rereading = is_rereading
        self._answers: dict[Key, Scored] = {}
        self._labelled: dict[Key, Scored] = {}
        self._outcomes: dict[Key, list[Outcome]] = {}
        self._batch: list[Sample] = []

    def take(self, event: Event) -> None:
        """Take one event; anything but Scored and Outcome is none of its business."""
        if isinstance(event, Scored):
            self._take_answer(event)
        elif isinstance(event, Outcome):
            self._take_outcome(event)

    def flush(self) -> int:
        """Write what is joined; return how many samples were new."""
        add = self._database.add_unseen if self._is_rereading else self._database.add
        added = add(self._batch)
        self._batch.clear()
        self.added += added
        return added

    def _take_answer(self, answer: Scored) -> None:
        if not answer.inputs:
            return
        key = (answer.strategy, answer.signal_id)
        self._answers[key] = answer
        for outcome in self._outcomes.pop(key, ()):
            self._join(key, answer, outcome)
        self.lost += _drop_oldest(self._answers, PENDING_MAX)

    def _take_outcome(self, outcome: Outcome) -> None:
        key = (outcome.strategy, outcome.signal_id)
        answer = self._answers.get(key) or self._labelled.get(key)
        if answer is not None:
            self._join(key, answer, outcome)
            return
        self._outcomes.setdefault(key, []).append(outcome)
        self.lost += _drop_oldest(self._outcomes, PENDING_MAX)

    def _join(self, key: Key, answer: Scored, outcome: Outcome) -> None:
        if outcome.virtual and self._answers.pop(key, None) is not None:
            self._labelled[key] = answer
            _drop_oldest(self._labelled, LABELLED_MAX)
        sample = sample_of(answer, outcome, self._provenance)
        if not is_sound(sample):
            self.lost += 1
            return
        self._batch.append(sample)
        if len(self._batch) >= BATCH_MAX:
            self.flush()


def _drop_oldest(waiting: dict[Key, Any], limit: int) -> int:
    """Forget the oldest entry beyond `limit`; return how many that were."""
    if len(waiting) <= limit:
        return 0
    del waiting[next(iter(waiting))]
    return 1
