"""A sweep does every run once and keeps it, whatever stops it and however many work on it."""

import importlib.metadata
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from deploy.research.training import DISTRIBUTION
from engine.backtests.backtest import run_strategy
from engine.backtests.bar_history import BarHistory
from engine.backtests.trade_log import figures_of
from engine.backtests.trade_returns import trade_returns
from engine.settings import CostSettings, StrategySettings
from engine.strategy import strategy_names
from streams.errors import ConfigError, DataError
from tests.house import ROOT
from tests.trainers.sweeps.sweeps import (
    COSTS,
    DAY_NS,
    NOW_NS,
    rsi2_plan,
    runs_of,
    sample,
    sweep_into,
    trials_in,
    work_on,
)
from trainers.research.trial_ledger import TrialLedger
from trainers.sweeps.research_store import ResearchStore
from trainers.sweeps.sweep import sweep
from trainers.sweeps.sweep_batch import run_batch
from trainers.sweeps.sweep_plan import SweepPlan, SweptStrategy, work_of
from trainers.sweeps.sweep_run import POOLED, Run, code_version_of
from trainers.sweeps.sweep_workers import run_batches

DRAWS = 120
START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def history() -> BarHistory:
    return sample()


def test_two_workers_find_what_one_finds(history, tmp_path):
    strategies = tuple(SweptStrategy(name) for name in strategy_names()[:3])
    work = work_on(history, SweepPlan(strategies, random=3, seed=5))
    assert work.runs == 3 * 3 * 6
    alone, together = tmp_path / "1.db", tmp_path / "2.db"
    assert sweep_into(alone, work, workers=1).added == work.runs
    assert sweep_into(together, work, workers=2).added == work.runs
    assert runs_of(alone) == runs_of(together)
    assert trials_in(alone) == trials_in(together) == work.runs


@pytest.fixture(scope="module")
def undisturbed(history, tmp_path_factory) -> list[Run]:
    path = tmp_path_factory.mktemp("undisturbed") / "research.db"
    release = importlib.metadata.version(DISTRIBUTION)
    costs = dict.fromkeys(history.symbols, CostSettings())
    work = work_of(rsi2_plan(DRAWS, seed=3), history, costs, release)
    sweep_into(path, work)
    return runs_of(path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_stopped_goes_on_where_it_was(history, undisturbed, tmp_path, how):
    stopped = tmp_path / "stopped.db"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.cli", "sweep", "--strategy", "rsi2_mean_reversion"),
            *("--random", str(DRAWS), "--seed", "3", "--workers", "2", "--db", str(stopped)),
            *("--ledger", str(stopped)),
            *("--ledger", str(stopped)),
        ],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for_runs(stopped, process)
    workers = children_of(process.pid)
    if how == signal.SIGINT:
        # As a terminal does: to all of them.
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    said, _ = process.communicate(timeout=END_TIMEOUT_S)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 1), said
    if how == signal.SIGINT:
        assert "run it again to go on" in said
        assert "Traceback" not in said
    wait_until_gone(workers)
    kept = [run.key for run in runs_of(stopped)]
    assert 0 < len(kept) < len(undisturbed)
    release = importlib.metadata.version(DISTRIBUTION)
    costs = dict.fromkeys(history.symbols, CostSettings())
    swept = sweep_into(stopped, work_of(rsi2_plan(DRAWS, seed=3), history, costs, release))
    assert swept == (len(undisturbed), len(kept), len(undisturbed) - len(kept))
    assert runs_of(stopped) == undisturbed
    assert trials_in(stopped) == len(undisturbed)


def wait_for_runs(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        if path.exists() and stored_in(path):
            return
        time.sleep(0.002)
    raise AssertionError("the sweep has not begun")


def stored_in(path: Path) -> int:
    """How many runs are stored, asked as quickly as can be: the sweep goes on meanwhile."""
    connection = sqlite3.connect(path, timeout=START_TIMEOUT_S)
    try:
        return int(connection.execute("SELECT count(*) FROM research_runs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # The table is not there yet.
    finally:
        connection.close()


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + END_TIMEOUT_S
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"workers {pids} outlive their sweep"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_two_sweeps_at_once_share_the_work_and_the_store(history, tmp_path):
    path = tmp_path / "shared.db"
    work = work_on(history, rsi2_plan(15))
    added = []
    threads = [
        threading.Thread(target=lambda: added.append(sweep_into(path, work).added))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == work.runs == len(runs_of(path)) == trials_in(path)
    sweep_into(tmp_path / "alone.db", work)
    assert runs_of(path) == runs_of(tmp_path / "alone.db")


def test_what_is_stored_before_a_failure_stays_and_progress_is_told(history, tmp_path):
    path, told = tmp_path / "r.db", []
    work = work_on(history, rsi2_plan(4))

    def fail_at(done: int, total: int) -> None:
        told.append((done, total))
        if done == 12:
            raise RuntimeError("the power is out")

    with (
        ResearchStore(path) as store,
        TrialLedger(path) as ledger,
        pytest.raises(RuntimeError, match="power"),
    ):
        sweep(work, store, ledger, workers=1, now_ns=NOW_NS, on_progress=fail_at)
    assert told == [(0, 24), (6, 24), (12, 24)]
    assert len(runs_of(path)) == 12
    assert sweep_into(path, work)[1:] == (12, 12)


def test_a_wider_sweep_does_what_is_new_alone(history, tmp_path):
    path = tmp_path / "r.db"
    few = history.of_symbols(("FB", "IBM"))
    sweep_into(path, work_on(few, rsi2_plan(2)))
    swept = sweep_into(path, work_on(history, rsi2_plan(3)))
    # Two symbols of two sets were there; the pooled runs are of other bars.
    assert swept == (18, 4, 14)
    alone = tmp_path / "alone.db"
    sweep_into(alone, work_on(history, rsi2_plan(3)))
    keys = {run.key for run in runs_of(alone)}
    assert [run for run in runs_of(path) if run.key in keys] == runs_of(alone)


def test_a_key_changes_with_all_that_a_run_depends_on(history):
    plan = rsi2_plan(1)
    keys = work_on(history, plan).batches[0].keys
    shorter = history.between(0, int(history.ts.max()) - 400 * DAY_NS)
    dearer = dict.fromkeys(history.symbols, COSTS) | {"FB": CostSettings(bps_per_side=9.0)}
    ranked_otherwise = replace(plan, objective="sortino_ratio")
    assert work_on(history, ranked_otherwise).batches[0].keys == keys
    assert not set(work_on(shorter, plan).batches[0].keys.values()) & set(keys.values())
    changed = work_of(plan, history, dearer, "0.0.1").batches[0].keys
    assert {symbol for symbol in keys if keys[symbol] != changed[symbol]} == {"FB", POOLED}
    released = work_of(plan, history, dict.fromkeys(history.symbols, COSTS), "0.0.2")
    assert not set(released.batches[0].keys.values()) & set(keys.values())


def test_an_edited_strategy_has_another_version_and_the_others_keep_theirs(monkeypatch):
    names = ("breakout", "rsi2_mean_reversion")
    before = [code_version_of(name, "1") for name in names]
    edited = ROOT / "engine" / "strategies" / "breakout.py"
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path) + (b"#" if path == edited else b"")
    )
    code_version_of.cache_clear()
    after = [code_version_of(name, "1") for name in names]
    code_version_of.cache_clear()
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize("name", ["rsi2_mean_reversion", "ibs_reversion"])
def test_the_figures_of_a_symbol_are_those_of_its_own_backtest(name, history):
    costs = [replace(COSTS, bps_per_side=float(slot)) for slot in range(len(history.symbols))]
    symbols = history.symbols
    for symbol, figures in zip(symbols, run_batch(name, {}, history, costs, symbols), strict=True):
        own = history.of_symbols((symbol,))
        own_costs = [costs[symbols.index(symbol)]]
        log = run_strategy(StrategySettings(name=name), own)
        made = figures_of(log, own_costs)
        returns = trade_returns(log, own, own_costs)
        assert figures.trades == made.is_sound.sum()
        if not figures.trades:
            assert figures.expectancy_r is None
            continue
        assert figures.expectancy_r == pytest.approx(np.nanmean(made.r_multiple))
        assert figures.total_return == pytest.approx(np.prod(1.0 + returns) - 1.0)
        assert figures.period_sharpe == pytest.approx(returns[1:].mean() / returns[1:].std(ddof=1))
        assert figures.gross_profit + figures.gross_loss == pytest.approx(
            gain_of_closed(log, made), rel=1e-9
        )
        alone = run_batch(name, {}, history, costs, (symbol,))
        assert alone == [figures]


def gain_of_closed(log, made) -> float:
    """What an account gains by its closed trades, one after the other."""
    gained, equity = 0.0, 1.0
    for k in np.flatnonzero(made.is_sound):
        gained += equity * made.y_pnl_net[k] / log.entry_price[k]
        equity *= 1.0 + made.y_pnl_net[k] / log.entry_price[k]
    return gained


def test_the_pooled_run_spreads_one_capital_over_the_symbols_that_trade(history):
    costs = [COSTS] * len(history.symbols)
    [figures] = run_batch("ibs_reversion", {}, history, costs, (POOLED,))
    log = run_strategy(StrategySettings(name="ibs_reversion"), history)
    returns = trade_returns(log, history, costs)
    spans = [history.ts[history.rows_of(symbol)][[0, -1]] for symbol in history.symbols]
    pooled = [
        returns[history.ts == ts].sum() / sum(first <= ts <= last for first, last in spans)
        for ts in history.instants
    ]
    assert len({len(history.ts[history.rows_of(s)]) for s in history.symbols}) > 1
    assert figures.total_return == pytest.approx(np.prod(1.0 + np.array(pooled)) - 1.0)
    assert figures.trades == figures_of(log, costs).is_sound.sum()
    assert 0.0 < figures.gross_exposure < 1.0


def test_symbols_without_bars_are_left_out_and_told(history):
    before = int(history.ts[history.rows_of("FB")][0]) - 1
    early = history.between(0, before)
    assert work_on(early, rsi2_plan(1)).left_out == ("FB",)
    with pytest.raises(DataError, match="no symbol has 2 bars or more"):
        work_on(history.between(0, 0), rsi2_plan(1))


def test_one_symbol_has_no_pool_and_pooling_is_a_choice(history):
    one = history.of_symbols(("IBM",))
    assert list(work_on(one, rsi2_plan(1)).batches[0].keys) == ["IBM"]
    both = work_on(history, rsi2_plan(1, pooled=False)).batches[0].keys
    assert tuple(both) == history.symbols


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (SweepPlan(()), "needs strategies, had none"),
        (SweepPlan((SweptStrategy("breakuot"),)), "did you mean breakout"),
        (SweepPlan((SweptStrategy("breakout"),), grid=2, random=2), "a grid or random, not both"),
        (SweepPlan((SweptStrategy("breakout"),) * 2), "breakout is given twice"),
        (
            SweepPlan((SweptStrategy("breakout"),), objective="sharp"),
            "objective 'sharp' is unknown",
        ),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan, told, history):
    with pytest.raises(ConfigError, match=told):
        work_on(history, plan)


def test_workers_are_counted_from_one(history):
    work = work_on(history, rsi2_plan(2))
    for workers in (0, 1000):
        with pytest.raises(ConfigError, match=f"workers must be 1 to 256, was {workers}"):
            next(run_batches(work.batches, work.history, work.costs, workers=workers))
