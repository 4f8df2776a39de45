"""The watch over what one model is served and says, before its outcomes mature.

The first `reference_signals` rows show what is usual, and each `block_signals` after them are held
against that, column by column. A word is said once, and again only after `recovered`: that is
when CLEAN_TO_RECOVER blocks in a row gave no word.

    psi, ks             the inputs moved: advisory, they never retrain alone
    score_distribution  the probabilities moved, by the same tests: early warning
    expected_rate       their mean did, the hit rate that the model expects: early warning

Of the false words that the budget allows, the inputs, the distribution of scores and their mean
have a third each; within the inputs tests and columns share alike (Bonferroni). Signals of one
instant tell nearly the same, so no more than a block's INSTANTS_MIN-th of them are kept.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.drift.block_comparison import BATCHES_MAX, BINS, BlockReference, Compared
from engine.saved import Saved
from engine.settings import InputWatchSettings

INSTANTS_MIN = 50
BATCHES_PER_BLOCK = 10
CLEAN_TO_RECOVER = 2
FAMILIES = 3
# What is counted of a reference: float64, by batch and bin.
COUNTS_AS_ROWS = 2 * BATCHES_MAX * (BINS + 1)

SCORE_DISTRIBUTION = "score_distribution"
EXPECTED_RATE = "expected_rate"
INPUTS, CALIBRATION = "inputs", "calibration"

Level = Literal["warning", "detected", "recovered"]
Rows = NDArray[np.float32]


class Word(NamedTuple):
    """What a test has found, at the column that is least likely of no change.

    `columns`: those beyond their critical value, the worst first, with statistic and that value.
    """

    level: Level
    channel: str
    detector: str
    statistic: float
    threshold: float
    changepoint_ts: int
    columns: tuple[tuple[int, float, float], ...]


class _Usual(NamedTuple):
    """What is usual of the served columns, and of the probability."""

    inputs: BlockReference
    scores: BlockReference


class InputWatch:
    """Watches the served vectors, of `width` columns in the order of `digest`, of one model.

    `answers_seen` counts those that were offered, kept or not. Memory: the rows of the reference
    and of a block.
    """

    def __init__(self, settings: InputWatchSettings, digest: str, width: int) -> None:
        self.digest = digest
        self.width = width
        self.answers_seen = 0
        self._settings = settings
        self._usual: _Usual | None = None
        self._rows: list[Rows] = []
        self._held = 0
        self._from_ts = 0
        # How many blocks in a row gave no word, of each detector that has said one.
        self._clean: dict[str, int] = {}

    @property
    def per_instant_max(self) -> int:
        """How many rows of one instant are kept."""
        return max(1, self._settings.block_signals // INSTANTS_MIN)

    @property
    def values_max(self) -> int:
        """How many numbers it may come to hold."""
        settings = self._settings
        rows = settings.reference_signals + settings.block_signals + 2 * self.per_instant_max
        rows += COUNTS_AS_ROWS
        return rows * (self.width + 1)

    def take(self, ts: int, rows: Rows, seen: int) -> list[Word]:
        """Take the kept rows of an instant: float32 (r, width + 1), the probability last."""
        self.answers_seen += seen
        if not self._held:
            self._from_ts = ts
        self._rows.append(rows)
        self._held += len(rows)
        if self._usual is None:
            if self._held >= self._settings.reference_signals:
                self._begin(np.concatenate(self._rows))
            return []
        if self._held < self._settings.block_signals:
            return []
        block = np.concatenate(self._rows)
        self._rows, self._held = [], 0
        return self._judge(self._usual, block)

    def save(self) -> Saved:
        """Return all that the watch knows, for `load`."""
        facts = {
            "digest": self.digest,
            "width": self.width,
            "answers_seen": self.answers_seen,
            "from_ts": self._from_ts,
            "clean": dict(self._clean),
            "has_reference": self._usual is not None,
        }
        nothing = np.zeros((0, self.width + 1), dtype=np.float32)
        reference = nothing
        if self._usual is not None:
            reference = np.concatenate([one.rows for one in self._usual], axis=1)
        held = np.concatenate(self._rows) if self._rows else nothing
        return Saved(facts, {"reference": reference, "held": held})

    @classmethod
    def of(cls, settings: InputWatchSettings, saved: Saved) -> "InputWatch":
        """Return a watch that goes on from what `save` returned."""
        facts = saved.facts
        watch = cls(settings, facts["digest"], facts["width"])
        if facts["has_reference"]:
            watch._begin(saved.arrays["reference"].copy())
        held = saved.arrays["held"]
        watch._rows = [held.copy()] if len(held) else []
        watch._held = len(held)
        watch._from_ts = facts["from_ts"]
        watch.answers_seen = facts["answers_seen"]
        watch._clean = dict(facts["clean"])
        return watch

    def _begin(self, rows: Rows) -> None:
        batch = max(1, self._settings.block_signals // BATCHES_PER_BLOCK)
        inputs, scores = (np.ascontiguousarray(one) for one in (rows[:, :-1], rows[:, -1:]))
        self._usual = _Usual(BlockReference(inputs, batch), BlockReference(scores, batch))
        self._rows, self._held = [], 0

    def _judge(self, usual: _Usual, block: Rows) -> list[Word]:
        settings = self._settings
        tests = settings.tests
        alpha = min(settings.block_signals / settings.budget, 1.0) / FAMILIES
        inputs, scores = block[:, :-1], block[:, -1:]
        words = []
        for test, compared in usual.inputs.compare(inputs, tests).items():
            alpha_each = alpha / len(tests) / self.width
            words += self._heard("detected", INPUTS, test, compared, alpha_each)
        of_scores = list(usual.scores.compare(scores, tests).values())
        if of_scores:
            farther = min(of_scores, key=lambda one: float(one.tail[0]))
            each = alpha / len(tests)
            words += self._heard("warning", INPUTS, SCORE_DISTRIBUTION, farther, each)
        rate = usual.scores.compare_means(scores)
        words += self._heard("warning", CALIBRATION, EXPECTED_RATE, rate, alpha)
        return words

    def _heard(
        self, level: Level, channel: str, detector: str, found: Compared, alpha: float
    ) -> list[Word]:
        order = np.argsort(found.tail, kind="stable")
        beyond = order[found.tail[order] < alpha].tolist()
        if beyond:
            was_said = detector in self._clean
            self._clean[detector] = 0
            if was_said:
                return []
        elif self._is_over(detector):
            level = "recovered"
        else:
            return []
        worst = int(order[0])
        statistic, critical = float(found.statistic[worst]), found.critical(worst, alpha)
        return [
            Word(
                level,
                channel,
                detector,
                statistic,
                # A wire number: of a column that says nothing the limit has none.
                critical if math.isfinite(critical) else 0.0,
                self._from_ts,
                tuple((i, float(found.statistic[i]), found.critical(i, alpha)) for i in beyond),
            )
        ]

    def _is_over(self, detector: str) -> bool:
        """Count a block without a word; return whether `recovered` is to be said."""
        if detector not in self._clean:
            return False
        self._clean[detector] += 1
        if self._clean[detector] < CLEAN_TO_RECOVER:
            return False
        del self._clean[detector]
        return True
