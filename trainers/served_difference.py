"""Served against recomputed: whether a model may be trained on either.

`served` are the vectors that the stream's own record holds, as they were scored (the feature
database). `recomputed` are those that the bars give now: of an extraction, or of
`trainers.recomputed_vectors`. A model that learns from one and is served the other learns from
what it will never see, so the difference is told, feature by feature.

Equal is equal bit for bit, NaN being one value. A value is astray where it differs by more than
the continuous audit allows (`engine.skew_audit`: RTOL of the value and ATOL), or is unknown on one
side only.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.skew_audit import RTOL
from streams.errors import DataError
from trainers.dataset import Dataset
from trainers.difference_causes import Cause, causes_of
from trainers.vector_comparison import Comparison, compare_rows

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class FeatureDifference(msgspec.Struct, frozen=True):
    """How one feature differs over the matched signals; shares in [0, 1] of them.

    `differ`: not equal bit for bit. `astray`: beyond rounding. `unknown_served` and
    `unknown_recomputed`: NaN on that side only. `max_difference`: the largest |a - b| of values
    known on both sides. `first_signal_id`: the first signal in time that differs, None for none.
    """

    name: str
    differ: float
    astray: float
    unknown_served: float
    unknown_recomputed: float
    max_difference: float
    first_signal_id: str | None


class LabelDifference(msgspec.Struct, frozen=True):
    """How many matched signals have another class, another R, or other times or symbol."""

    y: int
    r_multiple: int
    spans: int
    first_signal_id: str | None


class Unmatched(msgspec.Struct, frozen=True):
    """Signals of one side only: before, within and after the other side's span, and the first."""

    signals: int
    before: int
    within: int
    after: int
    first_signal_id: str | None


class ServedDifference(msgspec.Struct, frozen=True):
    """What the comparison found.

    `features` are those that both sides have, in the served order; `names_only_served` and
    `names_only_recomputed` the others. `equal`: matched signals whose vectors are equal bit for
    bit; `astray`: those with a value astray. `verdict` says it all in words.
    """

    matched: int
    equal: int
    astray: int
    only_served: Unmatched
    only_recomputed: Unmatched
    names_only_served: tuple[str, ...]
    names_only_recomputed: tuple[str, ...]
    features: tuple[FeatureDifference, ...]
    labels: LabelDifference
    causes: tuple[Cause, ...]
    verdict: str

    @property
    def is_equal(self) -> bool:
        """Whether the two are the same samples, bit for bit."""
        labels = self.labels
        unlike = self.only_served.signals + self.only_recomputed.signals
        unlike += labels.y + labels.r_multiple + labels.spans
        unlike += len(self.names_only_served) + len(self.names_only_recomputed)
        return 0 < self.matched == self.equal and not unlike


def compare_vectors(served: Dataset, recomputed: Dataset) -> ServedDifference:
    """Compare two sets of samples of the same signals, in any order.

    They are matched by signal id; where none is in both (the strategy has another name there), by
    symbol and ts. Raises DataError for a signal that is there twice.
    """
    rows, others = _matched(served, recomputed)
    order = np.lexsort((served.signal_ids[rows], served.ts[rows]))
    rows, others = rows[order], others[order]
    names = tuple(name for name in served.names if name in set(recomputed.names))
    found = compare_rows(served, recomputed, names, rows, others)
    ids = served.signal_ids[rows]
    result = ServedDifference(
        matched=rows.size,
        equal=int(np.count_nonzero(~found.is_unequal)),
        astray=int(np.count_nonzero(found.marks.is_astray)),
        only_served=_unmatched(served, rows, recomputed),
        only_recomputed=_unmatched(recomputed, others, served),
        names_only_served=tuple(n for n in served.names if n not in names),
        names_only_recomputed=tuple(n for n in recomputed.names if n not in names),
        features=_features(names, found, ids),
        labels=_labels(served, recomputed, rows, others),
        causes=causes_of(served.symbols[rows], served.ts[rows], found.marks),
        verdict="",
    )
    return msgspec.structs.replace(result, verdict=_verdict(result))


def _matched(served: Dataset, recomputed: Dataset) -> tuple[Ints, Ints]:
    for side, samples in (("served", served), ("recomputed", recomputed)):
        names, counts = np.unique(samples.signal_ids, return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"signal {names[counts > 1][0]} is there {counts.max()} times among the {side}: "
                "compare the samples of one strategy under one set of parameters"
            )
    _, rows, others = np.intersect1d(
        served.signal_ids, recomputed.signal_ids, assume_unique=True, return_indices=True
    )
    if not rows.size:
        ours, theirs = _places_in_time(served), _places_in_time(recomputed)
        if all(np.unique(places).size == places.size for places in (ours, theirs)):
            _, rows, others = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    return rows, others


def _places_in_time(samples: Dataset) -> NDArray[np.str_]:
    return np.strings.add(np.strings.add(samples.symbols, "\n"), samples.ts.astype(np.str_))


def _features(
    names: tuple[str, ...], found: Comparison, ids: NDArray[np.str_]
) -> tuple[FeatureDifference, ...]:
    count = max(ids.size, 1)
    return tuple(
        FeatureDifference(
            name=name,
            differ=float(found.differ[k] / count),
            astray=float(found.astray[k] / count),
            unknown_served=float(found.unknown_served[k] / count),
            unknown_recomputed=float(found.unknown_recomputed[k] / count),
            max_difference=float(found.max_difference[k]),
            first_signal_id=str(ids[found.first[k]]) if found.first[k] < ids.size else None,
        )
        for k, name in enumerate(names)
    )


def _labels(served: Dataset, recomputed: Dataset, rows: Ints, others: Ints) -> LabelDifference:
    def unlike(column: str) -> Bools:
        ours, theirs = getattr(served, column)[rows], getattr(recomputed, column)[others]
        both_unknown = (ours != ours) & (theirs != theirs)
        return np.asarray((ours != theirs) & ~both_unknown)

    y, r_multiple = unlike("y"), unlike("r_multiple")
    spans = unlike("ts") | unlike("entry_ts") | unlike("exit_ts") | unlike("symbols")
    wrong = np.flatnonzero(y | r_multiple | spans)
    first = str(served.signal_ids[rows[wrong[0]]]) if wrong.size else None
    return LabelDifference(int(y.sum()), int(r_multiple.sum()), int(spans.sum()), first)


def _unmatched(samples: Dataset, matched: Ints, other: Dataset) -> Unmatched:
    is_alone = np.ones(len(samples), dtype=np.bool_)
    is_alone[matched] = False
    rows = np.flatnonzero(is_alone)
    if not rows.size:
        return Unmatched(0, 0, 0, 0, None)
    ts = samples.ts[rows]
    low, high = (int(other.ts.min()), int(other.ts.max())) if len(other) else (0, 0)
    before, after = int((ts < low).sum()), int((ts > high).sum())
    first = str(samples.signal_ids[rows[int(ts.argmin())]])
    return Unmatched(rows.size, before, rows.size - before - after, after, first)


def _verdict(found: ServedDifference) -> str:
    if found.is_equal:
        return (
            f"equal bit for bit: {found.matched} signals, {len(found.features)} features and "
            "every label"
        )
    if not found.matched:
        return (
            "no signal is in both: another strategy, other symbols, another span or another session"
        )
    told = [_vector_words(found), *(cause.words for cause in found.causes)]
    told += _unmatched_words("served", found.only_served, "bars or parameters are others now")
    told += _unmatched_words(
        "recomputed", found.only_recomputed, "their bar came too late, or bars are others now"
    )
    for side, names in (
        ("served", found.names_only_served),
        ("recomputed", found.names_only_recomputed),
    ):
        if names:
            told.append(f"{_counted(len(names), 'feature')} {side} only, first {names[0]}")
    labels = found.labels
    if labels.first_signal_id is not None:
        told.append(
            f"labels differ: {labels.y} of another class, {labels.r_multiple} of another R, "
            f"{labels.spans} at other times, from {labels.first_signal_id} on"
        )
    return "; ".join(told)


def _vector_words(found: ServedDifference) -> str:
    if found.equal == found.matched:
        return f"vectors of {found.matched} signals are equal bit for bit"
    if not found.astray:
        rounded = found.matched - found.equal
        return (
            f"vectors of {found.matched} signals are equal but for rounding (within {RTOL:g} of "
            f"the value), {rounded} of them in their last digits"
        )
    worst = max(found.features, key=lambda feature: feature.astray)
    return (
        f"vectors of {found.astray} of {found.matched} signals differ, most often in {worst.name} "
        f"({worst.astray:.1%}): look at causes before training on either"
    )


def _unmatched_words(side: str, alone: Unmatched, why: str) -> list[str]:
    if not alone.signals:
        return []
    places = [(alone.before, "before"), (alone.within, "within"), (alone.after, "after")]
    told = ", ".join(f"{count} {place}" for count, place in places if count)
    reason = f" ({why})" if alone.within else ""
    return [f"{_counted(alone.signals, 'signal')} {side} only: {told} the other's span{reason}"]


def _counted(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"
