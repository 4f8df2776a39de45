"""The continuous skew audit: was a signal served what its bars say?

Whoever reads the same bars recomputes every served vector and compares, value by value, those
features that no longer depend on where a history began. A difference means that the scorer saw
other bars, or other code, than the stream tells: its probabilities are then worth nothing,
however good the model.

Compared: values past their declared convergence in this audit's own history, and served at all
(a warming value is NaN, and the answer says so). Equal: within RTOL of the own value, plus ATOL for
values that pass through zero.
"""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.answer import Answer
from engine.bar_book import AS_OF_BARS_MAX, BarBook, NewBars
from engine.context_book import context_book
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.feature_rows import FeatureRows
from engine.saved import Saved
from engine.settings import StrategySettings
from models.compiled import load_compiled
from models.feature_set import FeatureSet
from models.vector import digest_of, vector_names
from streams import subjects
from streams.events import TEXT_MAX, Drift
from streams.session import Session

RTOL = 1e-5
ATOL = 1e-6
STATISTIC_MAX = 1e9
CHANNEL = "skew"
DETECTOR = "skew_audit"
CLEAN_TO_RECOVER = 100
LANES_MAX = 65_536
_SERVED = np.dtype("<f4")

_SOURCE = '''"""The comparison of two rows, as a call from Python."""

import numba

# What was served is looked at where it arrived: nobody may write there.
SERVED = numba.types.Array(numba.float32, 1, "C", readonly=True)
ROWS, INTS = numba.float32[:, ::1], numba.int64[::1]


@numba.njit(
    numba.int64(SERVED, ROWS, numba.int64, INTS, numba.int64, numba.float64, numba.float64),
    cache=True,
    error_model="numpy",
)
def differs(served, rows, place, convergence, bars, rtol, atol):
    own = rows[place]
    for i in range(len(own)):
        if bars < convergence[i]:
            continue
        a, b = float(served[i]), float(own[i])
        if a != a or b != b or a == b:
            continue
        if not abs(a - b) <= atol + rtol * abs(b):
            return i
    return -1
'''


@lru_cache(maxsize=1)
def load_comparison() -> ModuleType:
    """Return the compiled module with `differs`."""
    return load_compiled("skew", _SOURCE, ())


def auditing(
    strategies: tuple[StrategySettings, ...],
    features: FeatureSet,
    session: Session,
    context: ContextSettings = NO_CONTEXT,
) -> "Callable[[BarBook], SkewAudit]":
    """Return what makes the audit of `strategies` on somebody's book."""
    digests = {
        one.name: digest_of(vector_names(features.names, one.features)) for one in strategies
    }
    return lambda book: SkewAudit(book, features, session, digests, context)


class Served(Protocol):
    """What an answer says it was made of: `inputs` float32 bytes, and the digest of their names."""

    signal_id: str
    strategy: str
    symbol: str
    interval: str
    ts: int
    model: str | None
    inputs: bytes
    features_digest: str


class SkewAudit:
    """Recomputes features by `book`, which belongs to whoever asks, and compares.

    `digests` names, by strategy, the features that this code serves; `context` is the scorer's,
    what features may know of other symbols. Signals are counted:
    `audited` were compared, `unequal` found to differ; `passed_over` came without their bar, too
    late, or were served by other code.
    """

    def __init__(
        self,
        book: BarBook,
        features: FeatureSet,
        session: Session,
        digests: dict[str, str],
        context: ContextSettings = NO_CONTEXT,
    ) -> None:
        self._differs = load_comparison().differs
        self._book = book
        self._rows = FeatureRows(features, session, context_book(context, book.name_of))
        self._names = features.names
        self._convergence = features.convergence
        self._digests = digests
        # By (strategy, symbol) in which a difference was found: equal signals since the last.
        self._astray: dict[tuple[str, str], int] = {}
        self.audited = 0
        self.unequal = 0
        self.passed_over = 0

    def take(self, new: NewBars) -> None:
        """Move the features on by bars that the book has just stored."""
        self._rows.update_many(new)

    def forget(self, slots: list[int]) -> None:
        """Begin series anew, as their bars were reset."""
        for slot in slots:
            self._rows.clear(slot)

    def check(self, served: Served) -> list[Answer]:
        """Compare one answer's vector; return what to publish: a drift event on channel `skew`."""
        slot = self._book.slot_of(served.symbol, served.interval)
        position = self._book.position_of(slot, served.ts)
        is_known = self._digests.get(served.strategy) == served.features_digest
        if position < 0 or not is_known or len(served.inputs) < 4 * len(self._names):
            self.passed_over += 1
            return []
        vector = np.frombuffer(served.inputs, _SERVED, len(self._names))
        place = slot * AS_OF_BARS_MAX + position
        bars = self._book.bars_at(slot, position)
        found = self._differs(vector, self._rows.rows, place, self._convergence, bars, RTOL, ATOL)
        self.audited += 1
        if found < 0 and not self._astray:
            return []
        return self._judge(served, found, vector, self._rows.row(place))

    def save(self) -> Saved:
        """Return all that the audit knows, for `load`."""
        astray = [[*lane, count] for lane, count in self._astray.items()]
        counts = [self.audited, self.unequal, self.passed_over]
        facts = {"astray": astray, "counts": counts}
        return Saved.of(facts, rows=self._rows.save(len(self._book)))

    def load(self, saved: Saved) -> None:
        """Go on from what `save` returned; the book must have been loaded."""
        self._rows.load(saved.part("rows"))
        self._astray = {(strategy, name): n for strategy, name, n in saved.facts["astray"]}
        self.audited, self.unequal, self.passed_over = saved.facts["counts"]

    def _judge(
        self,
        served: Served,
        found: int,
        vector: NDArray[np.float32],
        own: NDArray[np.float32],
    ) -> list[Answer]:
        lane = (served.strategy, served.symbol)
        if found >= 0:
            self.unequal += 1
            is_known = lane in self._astray
            if not is_known and len(self._astray) >= LANES_MAX:
                del self._astray[next(iter(self._astray))]
            self._astray[lane] = 0
            return [] if is_known else [self._said(served, found, vector, own)]
        if lane not in self._astray:
            return []
        self._astray[lane] += 1
        if self._astray[lane] < CLEAN_TO_RECOVER:
            return []
        del self._astray[lane]
        return [self._said(served, -1, vector, own)]

    def _said(
        self,
        served: Served,
        found: int,
        vector: NDArray[np.float32],
        own: NDArray[np.float32],
    ) -> Answer:
        statistic, detail = (
            0.0,
            f"{CLEAN_TO_RECOVER} signals in a row were served what their bars say",
        )
        if found >= 0:
            a, b = float(vector[found]), float(own[found])
            statistic = min(abs(a - b) / max(abs(b), ATOL), STATISTIC_MAX)
            detail = f"{self._names[found]} was served as {a:.9g}, the bars say {b:.9g}"
        event = Drift(
            strategy=served.strategy,
            symbol=served.symbol,
            level="detected" if found >= 0 else "recovered",
            channel=CHANNEL,
            detector=DETECTOR,
            statistic=statistic,
            threshold=RTOL,
            outcomes_seen=self.audited,
            changepoint_ts=served.ts,
            false_alarm_budget=0.0,
            model=served.model,
            ts=served.ts,
            detail=detail[:TEXT_MAX],
        )
        return Answer(
            subjects.drift(served.strategy), event, identity=f"{served.signal_id}:{CHANNEL}"
        )
