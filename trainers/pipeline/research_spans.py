"""Which samples are searched, fold by fold, and which stay sealed until the end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.errors import DataError
from trainers.dataset import DAY_NS, Dataset
from trainers.pipeline.pipeline_settings import BY_DATES_SAMPLES_MIN, PipelineSettings
from trainers.splits import Split, closed_before
from trainers.validation.purged_k_fold import PurgedKFold
from trainers.validation.span_splitter import SpanSplitter
from trainers.validation.walk_forward import WalkForward

BY_DATES, BY_SHARE, K_FOLD = "dates", "share", "purged k-fold"
WALK_SAMPLES_MIN = 200
"""Fewer are too few to walk forward in: each fold is tested by all of time that does not touch it.
"""

SPAN_SAMPLES_MIN = 10
"""A research span or a holdout of fewer says nothing at all."""


@dataclass(frozen=True)
class ResearchSpans:
    """`research` and `holdout`, in time order; no label of the first touches the second.

    `splits` are of the rows of `research`, `by` says how they were cut. `purged`: how many samples
    before the holdout are in neither, for their label was not closed in time.
    """

    research: Dataset
    holdout: Dataset
    splits: tuple[Split, ...]
    by: str
    purged: int


def cut_spans(samples: Dataset, settings: PipelineSettings) -> ResearchSpans:
    """Cut `samples` as `settings` say.

    Of what is sealed only the instants decide. Raises DataError where a span is left without
    samples, or no fold has any.
    """
    spans = None
    if settings.spans != "share":
        spans = _by_dates(samples, settings, is_asked=settings.spans == "dates")
    if spans is None:
        spans = _by_share(samples, settings)
    for name, part in (("research", spans.research), ("holdout", spans.holdout)):
        if len(part) < SPAN_SAMPLES_MIN:
            raise DataError(
                f"the {name} span has {len(part)} of {len(samples)} samples, at least "
                f"{SPAN_SAMPLES_MIN} are needed: give a longer history, or other pipeline.dates or "
                "pipeline.holdout_share"
            )
    return spans


def _has_enough(research: Dataset, held_out: int, settings: PipelineSettings) -> bool:
    """Whether the calendar leaves enough on both sides, the sealed outcomes unseen: how many of
    each class they hold is taken from the share before.
    """
    if len(research) < BY_DATES_SAMPLES_MIN or held_out < settings.gate.outcomes_min:
        return False
    share = float(research.y.mean())
    return min(share, 1.0 - share) * held_out >= settings.gate.class_min


def _dated(settings: PipelineSettings) -> tuple[int, int, int]:
    """The first instants of the walk, of the holdout, and after it."""
    edges = settings.dates.edges
    last = settings.dates.holdout_last_day.toordinal() - _EPOCH
    return edges[0], edges[-1], (last + 1) * DAY_NS + 1


def _by_dates(
    samples: Dataset, settings: PipelineSettings, *, is_asked: bool
) -> ResearchSpans | None:
    """None where it was not asked for, and leaves too little to walk in or to judge by."""
    first, opens, closes = _dated(settings)
    embargo_ns = int(settings.embargo_days * DAY_NS)
    is_early = (samples.ts >= first) & (samples.ts < opens)
    is_research = is_early & closed_before(samples.exit_ts, opens, embargo_ns)
    is_held_out = (samples.ts >= opens) & (samples.ts < closes)
    research = samples.take(is_research)
    if not is_asked and not _has_enough(research, int(is_held_out.sum()), settings):
        return None
    splitter = settings.dates.splitter(
        embargo_ns=embargo_ns, start_ts=research.ts, end_ts=research.exit_ts
    )
    try:
        splits = _splits(splitter, research)
    except DataError:
        if is_asked:
            raise
        return None
    if not is_asked and sum(split.test.size for split in splits) < WALK_SAMPLES_MIN:
        return None
    return ResearchSpans(
        research,
        samples.take(is_held_out),
        splits,
        BY_DATES,
        int(is_early.sum() - is_research.sum()),
    )


def _by_share(samples: Dataset, settings: PipelineSettings) -> ResearchSpans:
    count = len(samples)
    wanted = max(int(np.ceil(settings.holdout_share * count)), settings.gate.outcomes_min)
    # Where the gate's minimum would leave next to nothing to learn from, the share is what it is.
    held = wanted if wanted <= count // 2 else int(np.ceil(settings.holdout_share * count))
    opens = int(samples.ts[count - held]) if held < count else int(samples.ts[0])
    embargo_ns = int(settings.embargo_days * DAY_NS)
    is_research = closed_before(samples.exit_ts, opens, embargo_ns)
    research, holdout = samples.take(is_research), samples.take(samples.ts >= opens)
    purged = count - len(research) - len(holdout)
    times: dict[str, Any] = {"start_ts": research.ts, "end_ts": research.exit_ts}
    if len(research) < WALK_SAMPLES_MIN:
        purged_folds = PurgedKFold(settings.folds, embargo_ns=embargo_ns, **times)
        return ResearchSpans(research, holdout, _splits(purged_folds, research), K_FOLD, purged)
    walk = WalkForward(
        settings.folds, train_blocks=settings.train_folds or None, embargo_ns=embargo_ns, **times
    )
    return ResearchSpans(research, holdout, _splits(walk, research), BY_SHARE, purged)


def _splits(splitter: SpanSplitter, research: Dataset) -> tuple[Split, ...]:
    if not len(research):
        return ()
    return tuple(splitter.split(research.x))


_EPOCH = 719_163
"""The ordinal of 1970-01-01."""
