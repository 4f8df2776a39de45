"""What the tests of sweeps share: plans on the bundled sample, and stores to compare."""

from pathlib import Path

import numpy as np

from engine.backtests.bar_history import BarHistory
from engine.settings import CostSettings
from streams.source_settings import SourceSettings
from trainers.research.histories import read_history
from trainers.research.trial_ledger import TrialLedger
from trainers.statistics.equity_curve import equity_curve
from trainers.statistics.performance import performance_of
from trainers.sweeps.research_store import ResearchStore
from trainers.sweeps.sweep import Swept, sweep
from trainers.sweeps.sweep_plan import SweepPlan, SweepWork, SweptStrategy, work_of
from trainers.sweeps.sweep_run import Run

COSTS = CostSettings(bps_per_side=3.0)
FREE = CostSettings(bps_per_side=0.0)
RELEASE = "0.0.1"
NOW_NS = 1_700_000_000_000_000_000
DAY_NS = 86_400_000_000_000


def sample() -> BarHistory:
    return read_history(SourceSettings(kind="sample"))


def work_on(history: BarHistory, plan: SweepPlan, costs: CostSettings = COSTS) -> SweepWork:
    return work_of(plan, history, dict.fromkeys(history.symbols, costs), RELEASE)


def rsi2_plan(draws: int, **changes: object) -> SweepPlan:
    strategies = (SweptStrategy("rsi2_mean_reversion"),)
    return SweepPlan(strategies, random=draws, **changes)  # type: ignore[arg-type]


def sweep_into(path: Path, work: SweepWork, workers: int = 1, now_ns: int = NOW_NS) -> Swept:
    with ResearchStore(path) as store, TrialLedger(path) as ledger:
        return sweep(work, store, ledger, workers=workers, now_ns=now_ns)


def runs_of(path: Path) -> list[Run]:
    """All runs, in an order of their own."""
    with ResearchStore(path, must_exist=True) as store:
        return sorted(store.runs(), key=lambda run: run.key)


def trials_in(path: Path) -> int:
    with TrialLedger(path) as ledger:
        return ledger.count()


def a_run(key: str = "k", **changes: object) -> Run:
    """A run with figures of its own: `sharpe` and `trades` change those."""
    sharpe, trades = changes.pop("sharpe", 1.0), changes.pop("trades", 50)
    ts = np.arange(1, 253) * DAY_NS
    equity = np.cumprod(1.0 + np.tile([0.0, 0.01, -0.008], 84))
    figures = performance_of(equity_curve(ts, equity))
    from msgspec.structs import replace

    fields: dict[str, object] = {
        "key": key,
        "strategy": "rsi2_mean_reversion",
        "symbol": "IBM",
        "interval": "1d",
        "params": '{"entry":5.0}',
        "data_digest": "d" * 64,
        "started_ts": int(ts[0]),
        "ended_ts": int(ts[-1]),
        "code_version": "1+abc",
        "performance": replace(figures, sharpe_ratio=sharpe, trades=trades),
    }
    return Run(**(fields | changes))  # type: ignore[arg-type]
