"""The years of the default: 2016 to 2020 walk, 2021 to 2024 are sealed."""

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from streams.errors import ConfigError, DataError
from trainers.dataset import DAY_NS
from trainers.validation.walk_forward_dates import WalkForwardDates

DAYS = np.arange(date(2015, 1, 1).toordinal(), date(2026, 1, 1).toordinal())
YEAR = np.array([date.fromordinal(int(day)).year for day in DAYS])
# Each day's close is at its midnight: the hardest case of whose day it is.
CLOSE = (DAYS - date(1970, 1, 1).toordinal() + 1).astype(np.int64) * DAY_NS


def years(rows: np.ndarray) -> set[int]:
    return set(YEAR[rows].tolist())


def test_the_default_walks_four_years_and_seals_four():
    plan = WalkForwardDates()
    folds = list(plan.splitter(start_ts=CLOSE, end_ts=CLOSE).split())
    assert [years(fold.test) for fold in folds] == [{2017}, {2018}, {2019}, {2020}]
    assert [years(fold.train) for fold in folds] == [
        set(range(2016, year)) for year in range(2017, 2021)
    ]
    sealed = plan.holdout(CLOSE, CLOSE)
    assert years(sealed.train) == set(range(2016, 2021))
    assert years(sealed.test) == {2021, 2022, 2023, 2024}
    assert sealed.test.size == 4 * 365 + 1


def test_nothing_that_walks_knows_a_sealed_day():
    end = CLOSE + 10 * DAY_NS
    plan = WalkForwardDates()
    opens_ts = CLOSE[YEAR == 2021].min()
    folds = list(plan.splitter(start_ts=CLOSE, end_ts=end).split())
    used = np.concatenate([rows for fold in folds for rows in fold])
    assert end[used].max() < opens_ts
    assert date.fromordinal(int(DAYS[folds[-1].test.max()])) == date(2020, 12, 21)
    assert end[plan.holdout(CLOSE, end).train].max() < opens_ts
    later = plan.holdout(CLOSE, end, embargo_ns=5 * DAY_NS)
    assert end[later.train].max() + 5 * DAY_NS < opens_ts


def test_rolling_years_forget_the_earlier_ones():
    plan = WalkForwardDates(train_blocks=2)
    folds = list(plan.splitter(start_ts=CLOSE, end_ts=CLOSE).split())
    assert [years(fold.train) for fold in folds] == [{2016, 2017}, {2017, 2018}, {2018, 2019}]
    assert years(plan.holdout(CLOSE, CLOSE).train) == {2019, 2020}


def test_blocks_are_of_any_months_and_the_last_may_be_shorter():
    plan = WalkForwardDates(
        first_day=date(2019, 11, 15), holdout_first_day=date(2020, 6, 1), block_months=3
    )
    assert plan.block_days == (date(2019, 11, 15), date(2020, 2, 15), date(2020, 5, 15))
    even = msgspec.structs.replace(plan, holdout_first_day=date(2020, 5, 15))
    assert even.block_days == plan.block_days[:2]
    assert even.edges == tuple(
        ((day - date(1970, 1, 1)) // timedelta(days=1)) * DAY_NS + 1 for day in plan.block_days
    )


def test_a_configuration_gives_other_years():
    text = b'{"first_day":"2010-01-01","holdout_first_day":"2020-01-01","block_months":6}'
    plan = msgspec.json.decode(text, type=WalkForwardDates)
    assert len(plan.block_days) == 20
    with pytest.raises(msgspec.ValidationError, match="unknown field `embargo`"):
        msgspec.json.decode(b'{"embargo":5}', type=WalkForwardDates)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first_day": date(2016, 1, 29)}, "in the first 28 days of a month, was 2016-01-29"),
        ({"first_day": date(2022, 1, 1)}, "must ascend, were 2022-01-01, 2021-01-01"),
        ({"holdout_last_day": date(2020, 1, 1)}, "must ascend"),
        ({"block_months": 60}, "1 blocks of 60 months .* leave none to test after 1"),
        ({"train_blocks": 5}, "leave none to test after 5 to train on"),
    ],
)
def test_days_that_contradict_are_refused(changes, words: str):
    with pytest.raises(ConfigError, match=words):
        WalkForwardDates(**changes)


@pytest.mark.parametrize("year", [2016, 2022])
def test_a_holdout_without_samples_or_without_a_past_is_refused(year: int):
    rows = year == YEAR
    with pytest.raises(DataError, match="both must be 1 or more: give the history of these days"):
        WalkForwardDates().holdout(CLOSE[rows], CLOSE[rows])
