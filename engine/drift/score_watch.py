"""The watch over scorers' answers: says early when inputs or scores move, before outcomes mature.

A pure state machine over SCORED. Answers are taken behind the scorers' watermark, in the order of
their signals: what is said does not depend on the order of arrival. Each model of a strategy has
a watch of its own (`input_watch.py`), begun anew when the features that it is served change.
Answers of which no model spoke count only where it refused the row as out of distribution: they
are rows of the model that spoke last on that symbol, without a score. A canary's do not count.

All of it is advisory: nothing that is said here asks for a retrain.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.drift.answers_in_order import AnswersInOrder, Heard
from engine.drift.input_watch import InputWatch, Word
from engine.saved import Saved
from engine.settings import InputWatchSettings
from models.adapter import OUT_OF_DISTRIBUTION
from models.mode import CANARY
from streams.events import TEXT_MAX, Drift, Progress, Scored
from streams.watermark import Watermark

SCORER = "scorer"
WATCHES_MAX = 256
VALUES_MAX = 64 * 1024 * 1024
LANES_MAX = 65_536
COLUMNS_MAX = 4_096
COLUMNS_TOLD_MAX = 3

_SERVED = np.dtype("<f4")

Key = tuple[str, str]


class ScoreWatch:
    """Watches every (strategy, model) by `settings`; at most WATCHES_MAX of them, VALUES_MAX
    numbers together: what was heard of longest ago is forgotten first.

    `names` by features_digest are the columns' names, for people; a column of a digest that is
    not there is told by its number.
    """

    def __init__(
        self, settings: InputWatchSettings, names: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._settings = settings
        self._names = dict(names or {})
        self._waiting = AnswersInOrder()
        self._scorers = Watermark()
        self._watches: dict[Key, InputWatch] = {}
        # The model that spoke last on a (strategy, symbol).
        self._lanes: dict[Key, str] = {}

    @property
    def progress_ts(self) -> int:
        """The event time up to which every answer has been watched."""
        return self._scorers.event_ts

    @property
    def late(self) -> int:
        """How many answers came behind the scorers' own watermark, and were left out."""
        return self._waiting.late

    def step(self, event: Scored | Progress) -> list[Drift]:
        """Take an answer or a scorer's progress; return what is to be said."""
        if isinstance(event, Progress):
            if event.role != SCORER:
                return []
            self._scorers.note(event)
            instants = self._waiting.release(self.progress_ts)
        elif self._settings.enabled and _counts(event):
            instants = self._waiting.add(event)
        else:
            return []
        return [drift for ts, heard in instants for drift in self._take(ts, heard)]

    def save(self) -> Saved:
        """Return all that is known, for `load`."""
        keys = [list(key) for key in self._watches]
        facts = {
            "waiting": self._waiting.save(),
            "scorers": self._scorers.save(),
            "watches": keys,
            "lanes": [[*lane, model] for lane, model in self._lanes.items()],
        }
        parts = {f"w{i}": watch.save() for i, watch in enumerate(self._watches.values())}
        return Saved.of(facts, **parts)

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned; a fresh watch of the same settings is asked for."""
        facts = saved.facts
        self._waiting.load(facts["waiting"])
        self._scorers.load(facts["scorers"])
        self._lanes = {(strategy, symbol): model for strategy, symbol, model in facts["lanes"]}
        self._watches = {
            (strategy, model): InputWatch.of(self._settings, saved.part(f"w{i}"))
            for i, (strategy, model) in enumerate(facts["watches"])
        }

    def _take(self, ts: int, heard: list[Heard]) -> list[Drift]:
        said = []
        for key, answers in sorted(self._by_model(heard).items()):
            watch = self._watch(key, answers[-1])
            own = [one for one in answers if _fits(one, watch)]
            words = watch.take(ts, _rows(own, watch), len(own))
            said += [self._drift(key, ts, watch, word) for word in words]
        return said

    def _by_model(self, heard: list[Heard]) -> dict[Key, list[Heard]]:
        found = defaultdict(list)
        for one in heard:
            lane = (one.strategy, one.symbol)
            model = one.model or self._lanes.get(lane, "")
            if not model:
                continue
            self._lanes.pop(lane, None)
            self._lanes[lane] = model
            found[one.strategy, model].append(one)
        while len(self._lanes) > LANES_MAX:
            del self._lanes[next(iter(self._lanes))]
        return found

    def _watch(self, key: Key, answer: Heard) -> InputWatch:
        width = min(len(answer.inputs) // _SERVED.itemsize, COLUMNS_MAX)
        watch = self._watches.pop(key, None)
        if watch is None or (watch.digest, watch.width) != (answer.digest, width):
            watch = InputWatch(self._settings, answer.digest, width)
            self._make_room(watch.values_max)
        self._watches[key] = watch
        return watch

    def _make_room(self, values: int) -> None:
        """Forget those that were heard of longest ago, until one more fits."""
        kept = sum(one.values_max for one in self._watches.values())
        while self._watches and (len(self._watches) >= WATCHES_MAX or kept + values > VALUES_MAX):
            kept -= self._watches.pop(next(iter(self._watches))).values_max

    def _drift(self, key: Key, ts: int, watch: InputWatch, word: Word) -> Drift:
        strategy, model = key
        return Drift(
            strategy=strategy,
            symbol=None,
            level=word.level,
            channel=word.channel,
            detector=word.detector,
            statistic=word.statistic,
            threshold=word.threshold,
            outcomes_seen=watch.answers_seen,
            changepoint_ts=word.changepoint_ts,
            false_alarm_budget=self._settings.budget,
            model=model,
            ts=ts,
            detail=self._detail(watch, word)[:TEXT_MAX],
        )

    def _detail(self, watch: InputWatch, word: Word) -> str:
        if word.level == "recovered":
            return "as usual again"
        if word.level == "warning":
            return f"{word.statistic:.3g}, beyond {word.threshold:.3g}"
        names = self._names.get(watch.digest, ())
        told = ", ".join(
            f"{names[i] if i < len(names) else f'column {i}'} {statistic:.3g} beyond {limit:.3g}"
            for i, statistic, limit in word.columns[:COLUMNS_TOLD_MAX]
        )
        return f"{len(word.columns)} of {watch.width} features moved: {told}"


def _counts(scored: Scored) -> bool:
    if len(scored.inputs) < _SERVED.itemsize or CANARY in scored.reasons:
        return False
    if scored.probability is None:
        return OUT_OF_DISTRIBUTION in scored.reasons
    return scored.model is not None and 0.0 <= scored.probability <= 1.0


def _fits(one: Heard, watch: InputWatch) -> bool:
    return one.digest == watch.digest and len(one.inputs) // _SERVED.itemsize >= watch.width


def _rows(answers: list[Heard], watch: InputWatch) -> NDArray[np.float32]:
    """Return the rows to keep of one instant, float32 (r, width + 1): any, but always the same."""
    if len(answers) > watch.per_instant_max:
        answers = sorted(answers, key=lambda one: (zlib.crc32(one.signal_id.encode()), one))
        answers = sorted(answers[: watch.per_instant_max])
    rows = np.empty((len(answers), watch.width + 1), dtype=np.float32)
    for row, one in zip(rows, answers, strict=True):
        row[:-1] = np.frombuffer(one.inputs, _SERVED, watch.width)
        row[-1] = one.probability
    return rows
