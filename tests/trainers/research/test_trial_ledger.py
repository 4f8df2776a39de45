"""Every trial counts once, whoever tries it and whatever happens to him meanwhile."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import optuna
import pytest
from optuna.storages import RDBStorage

from streams.errors import DataError
from tests.house import ROOT
from tests.trainers.statistics.curves import curve_of, curve_of_returns
from trainers.research.trial_ledger import (
    Among,
    Trial,
    TrialLedger,
    symbols_digest_of,
    variance_among,
)
from trainers.statistics.performance import performance_of
from trainers.statistics.sharpe import deflated_sharpe, probabilistic_sharpe

PATIENCE_S = 60.0


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "deep" / "trials.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def ledger(location):
    with TrialLedger(location) as opened:
        yield opened


def trial(number: int = 0, **changes: object) -> Trial:
    made = Trial("strategy", "rsi2", "symbols", "data", f"p{number}", "a", 0.01 * number, 1_000)
    return msgspec.structs.replace(made, **changes)


def test_a_trial_counts_once_whoever_repeats_it(ledger):
    assert ledger.record([trial(1), trial(2), trial(1)]) == 2
    assert ledger.record([trial(1), trial(2, study="under another name"), trial(3)]) == 1
    assert ledger.record([]) == 0
    assert ledger.count() == 3


def test_the_first_estimate_of_a_trial_stays(ledger):
    ledger.record([trial(1, sharpe=0.05)])
    ledger.record([trial(1, sharpe=5.0)])
    assert ledger.t_statistics().tolist() == [0.05 * 1_000**0.5]


def test_other_data_symbols_strategies_and_models_are_other_trials(ledger):
    others = [
        trial(1, data_digest="newer"),
        trial(1, symbols_digest=symbols_digest_of(["SPY"])),
        trial(1, scope="breakout"),
        trial(1, kind="model"),
    ]
    assert ledger.record([trial(1), *others]) == 5
    assert ledger.count(Among(kind="strategy")) == 4
    assert ledger.count(Among(scope="breakout")) == 1
    assert ledger.count(Among(kind="strategy", scope="rsi2", data_digest="data")) == 2
    assert ledger.count(Among(scope="unheard_of")) == 0


def test_a_trial_without_a_sharpe_ratio_counts_and_has_no_part_in_the_variance(ledger):
    ledger.record([trial(n) for n in range(1, 5)] + [trial(9, sharpe=None)])
    assert ledger.count() == 5
    sharpes = np.array([0.01, 0.02, 0.03, 0.04])
    assert ledger.t_statistics() == pytest.approx(sharpes * 1_000**0.5)
    assert variance_among(ledger.t_statistics(), 1_000) == pytest.approx(np.var(sharpes, ddof=1))


def test_trials_of_hours_and_of_a_few_bars_deflate_as_those_of_days(ledger):
    """The same merit over the same years, by the day and by the hour, is the same spread."""
    days = [trial(n) for n in range(10)]
    hours = [
        trial(n, sharpe=0.01 * n / 7**0.5, periods=7_000, data_digest="hours") for n in range(10)
    ]
    ledger.record(days + hours)
    of_days = ledger.deflated(0.1, 1_000, among=Among(data_digest="data"))
    of_hours = ledger.deflated(0.1 / 7**0.5, 7_000, among=Among(data_digest="hours"))
    both = ledger.deflated(0.1, 1_000)
    assert of_hours.benchmark * 7**0.5 == pytest.approx(of_days.benchmark)
    expected = variance_among(np.tile(0.01 * np.arange(10) * 1_000**0.5, 2), 1_000)
    assert both == pytest.approx(deflated_sharpe(0.1, 1_000, trials=20, variance=expected))
    # What three bars show by chance does not stand in the way of all that come later.
    ledger.record([trial(0, sharpe=1.5, periods=3, data_digest="three bars")])
    assert ledger.deflated(0.1, 1_000).benchmark < 1.2 * both.benchmark


def test_trials_on_any_of_many_symbols_are_counted_once_each(ledger):
    symbols = [f"s{n}" for n in range(1_200)]
    ledger.record([trial(n, symbols_digest=one) for n, one in enumerate(symbols)])
    asked = Among(symbols_digests=(*symbols[:1_100], *symbols[:5], "unheard of"))
    assert ledger.count(asked) == ledger.t_statistics(asked).size == 1_100
    assert ledger.count(Among(scope="breakout", symbols_digests=("s1",))) == 0
    assert ledger.count(Among(symbols_digests=())) == 0
    assert ledger.symbols_of(["data"] * 700) == set(symbols)
    assert ledger.symbols_of(["unheard of"]) == set()


def test_a_result_is_deflated_by_all_that_was_tried_on_its_data(ledger):
    ledger.record([trial(n, study="one") for n in range(40)])
    ledger.record([trial(n, study="two") for n in range(40, 60)])
    ledger.record([trial(n, data_digest="other") for n in range(500)])
    found = ledger.deflated(0.1, 1_000, skew=-0.5, kurtosis=6.0, among=Among(data_digest="data"))
    variance = np.var(0.01 * np.arange(60), ddof=1)
    assert found == pytest.approx(
        deflated_sharpe(0.1, 1_000, trials=60, variance=variance, skew=-0.5, kurtosis=6.0)
    )


def test_the_first_of_all_trials_is_its_own_and_deflated_by_nothing(ledger):
    assert ledger.deflated(0.1, 500).probability == probabilistic_sharpe(0.1, 500)


def test_trials_without_any_estimate_deflate_as_worthless_ones(ledger):
    ledger.record([trial(n, sharpe=None) for n in range(20)])
    expected = deflated_sharpe(0.1, 500, trials=20, variance=1 / 499)
    assert ledger.deflated(0.1, 500) == pytest.approx(expected)


def test_a_performance_is_deflated_by_its_own_moments(ledger):
    ledger.record([trial(n) for n in range(10)])
    returns = np.random.default_rng(1).standard_t(4, 600) * 0.01 + 0.001
    figures = performance_of(curve_of_returns(returns))
    moments = {"skew": figures.skew, "kurtosis": figures.kurtosis}
    sharpe = returns.mean() / returns.std(ddof=1)
    assert ledger.deflated_performance(figures) == pytest.approx(
        ledger.deflated(sharpe, 600, **moments)
    )
    assert ledger.deflated_performance(performance_of(curve_of(100, 100))) is None


def test_what_is_no_number_is_refused_and_takes_all_with_it(ledger):
    with pytest.raises(DataError, match="must be a finite number, was nan for rsi2: give None"):
        ledger.record([trial(1), trial(2, sharpe=math.nan)])
    assert ledger.count() == 0


def test_symbols_are_a_set():
    assert symbols_digest_of(["B", "A", "B"]) == symbols_digest_of(["A", "B"])
    assert symbols_digest_of(["A,B"]) != symbols_digest_of(["A", "B"])


def write_many(location, first: int, waits) -> None:
    waits.wait()
    with TrialLedger(location) as ledger:
        for number in range(30):
            ledger.record([trial(number), trial(1_000 + first + number)])


def test_searches_that_write_at_once_lose_nothing_and_count_nothing_twice(location):
    context = multiprocessing.get_context("spawn")
    waits = context.Barrier(2)
    writers = [
        context.Process(target=write_many, args=(location, first, waits)) for first in (0, 30)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE_S)
    assert [writer.exitcode for writer in writers] == [0, 0]
    with TrialLedger(location) as ledger:
        assert ledger.count() == 30 + 60


def test_a_killed_search_loses_no_trial_that_it_was_told_of_and_goes_on(location):
    program = (
        "import sys\n"
        "from tests.trainers.research.test_trial_ledger import *\n"
        "with TrialLedger(sys.argv[1]) as ledger:\n"
        "    for number in range(100_000):\n"
        "        ledger.record([trial(number)])\n"
        "        print(number, flush=True)\n"
    )
    search = subprocess.Popen(
        [sys.executable, "-c", program, str(location)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert search.stdout is not None
    told = [int(search.stdout.readline()) for _ in range(25)][-1]
    os.kill(search.pid, signal.SIGKILL)
    told = max([told, *map(int, search.stdout.read().split())])
    search.stdout.close()
    search.wait(PATIENCE_S)
    with TrialLedger(location) as ledger:
        assert told + 1 <= ledger.count() <= told + 2
        ledger.record([trial(number) for number in range(told + 10)])
        assert ledger.count() == told + 10


def test_a_ledger_that_is_none_is_said_to_be_none(tmp_path: Path):
    path = tmp_path / "trials.db"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(DataError, match=r"trial ledger .*trials\.db cannot be used"):
        TrialLedger(path)


def test_a_ledger_and_a_study_share_a_database(tmp_path):
    """Both know trials; neither is in the other's way, whichever comes first."""
    for place, first in enumerate(("study", "ledger")):
        file = tmp_path / f"{place}.db"
        if first == "ledger":
            TrialLedger(file).close()
        storage = RDBStorage(f"sqlite:///{file}")
        study = optuna.create_study(storage=storage)
        study.optimize(lambda asked: asked.suggest_float("x", 0.0, 1.0), n_trials=2)
        with TrialLedger(file) as shared:
            assert shared.record([trial(1), trial(2), trial(3)]) == 3
            assert shared.count() == 3
        assert len(study.trials) == 2
        storage.engine.dispose()
