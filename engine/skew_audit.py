"""The continuous skew audit: was a signal served what its bars say?

Whoever reads the same bars recomputes every served vector and compares, value by value, those
features that no longer depend on where a history began. A difference means that the scorer saw
other bars, or other code, than the stream tells: its probabilities are then worth nothing,
however good the model.

Compared: values past their declared convergence in this audit's own history, and served at all
(a warming value is NaN, and the answer says so). Equal: within RTOL of the own value, plus ATOL for
values that pass through zero.
"""

from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.answer import Answer
from engine.bar_book import AS_OF_BARS_MAX, BarBook, NewBars
from engine.feature_rows import FeatureRows
from models.compiled import load_compiled
from models.feature_set import FeatureSet
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

_SOURCE = '''"""The comparison of two rows, as a call from Python."""

import numba

ROW, INTS = numba.float32[::1], numba.int64[::1]


@numba.njit(
    numba.int64(ROW, ROW, INTS, numba.int64, numba.float64, numba.float64),
    cache=True,
    error_model="numpy",
)
def differs(served, own, convergence, bars, rtol, atol):
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


class Served(NamedTuple):
    """What an answer says it was made of: `inputs` float32 bytes, and the digest of their names."""

    signal_id: str
    strategy: str
    symbol: str
    ts: int
    model: str | None
    inputs: bytes
    features_digest: str


class SkewAudit:
    """Recomputes features by `book`, which belongs to whoever asks, and compares.

    `digests` names, by strategy, the features that this code serves. `audited`, `unequal` and
    `of_other_code` count signals: compared, found to differ, served by another feature code.
    """

    def __init__(
        self, book: BarBook, features: FeatureSet, session: Session, digests: dict[str, str]
    ) -> None:
        self._differs = load_comparison().differs
        self._book = book
        self._rows = FeatureRows(features, session)
        self._names = features.names
        self._convergence = features.convergence
        self._digests = digests
        # By (strategy, symbol) in which a difference was found: equal signals since the last.
        self._astray: dict[tuple[str, str], int] = {}
        self.audited = 0
        self.unequal = 0
        self.of_other_code = 0

    def take(self, new: NewBars) -> None:
        """Move the features on by bars that the book has just stored."""
        self._rows.update_many(new)

    def forget(self, slots: list[int]) -> None:
        """Begin series anew, as their bars were reset."""
        for slot in slots:
            self._rows.clear(slot)

    def check(self, served: Served, slot: int) -> list[Answer]:
        """Compare one answer's vector; return what to publish: a drift event on channel `skew`.

        Its bar must have come; one that has left the ring is passed over.
        """
        position = self._book.position_of(slot, served.ts)
        if position < 0 or not served.inputs:
            return []
        if self._digests.get(served.strategy) != served.features_digest:
            self.of_other_code += 1
            return []
        vector = np.frombuffer(served.inputs, dtype="<f4").astype(np.float32)
        if len(vector) < len(self._names):
            return []
        own = self._rows.row(slot * AS_OF_BARS_MAX + position)
        age = (self._book.place_of(slot) - position) % AS_OF_BARS_MAX
        bars = self._book.count_of(slot) - age
        found = self._differs(vector, own, self._convergence, bars, RTOL, ATOL)
        self.audited += 1
        return self._judge(served, int(found), vector, own)

    def _judge(
        self, served: Served, found: int, vector: NDArray[np.float32], own: NDArray[np.float32]
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
        self, served: Served, found: int, vector: NDArray[np.float32], own: NDArray[np.float32]
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
