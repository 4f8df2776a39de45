"""What is searched and what is sealed: neither touches the other, nor a fold what it tests."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import DataError
from tests.trainers.pipeline.small_runs import planted, settings_with, spoiled, spread
from tests.trainers.samples import dataset_of
from trainers.dataset import DAY_NS
from trainers.pipeline.research_spans import BY_DATES, BY_SHARE, K_FOLD, cut_spans
from trainers.tuning.fold_plan import plan_folds
from trainers.validation.walk_forward_dates import WalkForwardDates

HOUR_NS = 3_600_000_000_000
DATED = settings_with(spans="auto")


@st.composite
def histories(draw):
    """Signals that come in bursts and ties, and labels of minutes to weeks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.sampled_from([80, 400, 1_600]))
    years = draw(st.sampled_from([1, 9]))
    gaps = rng.choice([0, 1, 6, 24], count, p=[0.5, 0.2, 0.15, 0.15])
    hours = np.cumsum(gaps) * max(1, 365 * 24 * years // int(gaps.sum()))
    ts = int(np.datetime64("2016-01-04", "ns").astype(int)) + hours * HOUR_NS
    held = rng.integers(0, draw(st.sampled_from([2, 48, 24 * 20])), count) * HOUR_NS
    found = dataset_of(rng.standard_normal((count, 3)), rng.integers(0, 2, count))
    return replace(found, ts=ts, entry_ts=ts, exit_ts=ts + held)


@settings(max_examples=120, deadline=None)
@given(
    samples=histories(),
    folds=st.integers(2, 8),
    train_folds=st.integers(0, 3),
    embargo_days=st.sampled_from([0.0, 0.5, 7.0]),
    share=st.floats(0.05, 0.6),
    spans=st.sampled_from(["auto", "dates", "share"]),
)
def test_no_training_span_touches_a_test_span(
    samples, folds, train_folds, embargo_days, share, spans
):
    asked = settings_with(
        spans=spans,
        folds=folds,
        train_folds=train_folds,
        embargo_days=embargo_days,
        holdout_share=share,
    )
    try:
        cut = cut_spans(samples, asked)
    except DataError:
        return
    embargo_ns = int(embargo_days * DAY_NS)
    research, holdout = cut.research, cut.holdout
    assert int(research.exit_ts.max()) < int(holdout.ts.min()) - embargo_ns
    plan = plan_folds(
        research, np.ones(len(research)), cut.splits, choose=lambda taken, _: np.arange(3)
    )
    for fold in plan.folds:
        starts, ends = research.ts[fold.train][:, None], research.exit_ts[fold.train][:, None]
        opens, closes = research.ts[fold.test], research.exit_ts[fold.test]
        # Before the test with the embargo where the walk goes forward; folds have theirs after it.
        before = ends < opens - (0 if cut.by == K_FOLD else embargo_ns)
        after = (starts > closes + embargo_ns) & (cut.by == K_FOLD)
        assert (before | after).all()
    tested = np.concatenate([fold.test for fold in plan.folds]) if plan.folds else np.empty(0)
    assert np.unique(tested).size == tested.size


def test_by_dates_what_is_before_the_walk_and_after_the_holdout_is_not_used():
    samples = spread(planted(1_600), "2014-01-01", "2026-06-01")
    cut = cut_spans(samples, DATED)
    assert cut.by == BY_DATES
    years = [
        part.ts.astype("datetime64[ns]").astype("datetime64[Y]")
        for part in (cut.research, cut.holdout)
    ]
    assert [str(year.min()) for year in years] == ["2016", "2021"]
    assert [str(year.max()) for year in years] == ["2020", "2024"]
    late = (samples.ts < cut.holdout.ts[0]) & (samples.exit_ts >= cut.holdout.ts[0])
    assert cut.purged >= int(late.sum()) > 0
    assert len(cut.splits) == 4


def test_an_embargo_purges_more_before_the_holdout():
    samples = spread(planted(1_600), "2014-01-01", "2026-06-01")
    purged = [
        cut_spans(samples, settings_with(spans="dates", embargo_days=days)).purged
        for days in (0.0, 30.0)
    ]
    assert purged[1] > purged[0] + 5


def test_outcomes_that_are_sealed_do_not_decide_where_the_cut_is():
    samples = spread(planted(1_600), "2014-01-01", "2026-06-01")
    sealed = samples.ts >= cut_spans(samples, DATED).holdout.ts[0]
    for y in (0, 1):
        other = replace(samples, y=np.where(sealed, y, samples.y).astype(np.int8))
        assert cut_spans(other, DATED).by == BY_DATES
    cut, other = (cut_spans(one, DATED) for one in (samples, spoiled(samples, sealed)))
    assert cut.research.digest() == other.research.digest()


def test_dates_that_leave_nothing_to_walk_in_give_way_to_the_share():
    samples = spread(planted(1_600), "2020-05-01", "2022-06-01")
    assert cut_spans(samples, DATED).by == BY_SHARE
    with pytest.raises(DataError, match="no fold of 4 has a sample to train on"):
        cut_spans(samples, settings_with(spans="dates"))


def test_a_history_that_ends_before_the_holdout_is_cut_by_share():
    samples = spread(planted(900), "2010-01-01", "2018-06-01")
    cut = cut_spans(samples, DATED)
    assert cut.by == BY_SHARE
    assert len(cut.holdout) == 270
    with pytest.raises(DataError, match="the holdout span has 0 of 900 samples"):
        cut_spans(samples, settings_with(spans="dates"))


def test_few_samples_are_folded_and_not_walked():
    few, enough = (
        cut_spans(spread(planted(count), "2016-01-01", "2018-01-01"), settings_with())
        for count in (280, 420)
    )
    assert few.by == K_FOLD
    assert enough.by == BY_SHARE
    assert len(np.unique(np.concatenate([split.test for split in few.splits]))) == len(few.research)


def test_a_walk_by_share_is_rolling_where_it_is_asked_for():
    samples = spread(planted(1_500), "2016-01-01", "2018-01-01")
    anchored, rolling = (cut_spans(samples, settings_with(train_folds=number)) for number in (0, 2))
    assert [split.train[0] for split in anchored.splits] == [0, 0, 0]
    assert all(split.train[0] > 0 for split in rolling.splits[1:])


def test_dates_that_leave_a_handful_are_refused():
    samples = spread(planted(400), "2016-01-01", "2021-01-03")
    with pytest.raises(DataError, match=r"the holdout span has \d of 400 samples, at least 10"):
        cut_spans(samples, settings_with(spans="dates", dates=WalkForwardDates()))
