"""A sweep: many runs of strategies over history, each done once and kept as soon as it is done.

Runs that the store has are skipped, so a sweep that was stopped, by Ctrl-C, kill -9 or a power
cut, goes on by being started again. Every run is a trial of its strategy, on one symbol or on all
of them, and is in the ledger before it is in the store: all count when the best is judged.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from trainers.research.trial_ledger import Trial, TrialLedger, symbols_digest_of
from trainers.statistics.performance import Performance
from trainers.sweeps.research_store import ResearchStore
from trainers.sweeps.sweep_plan import SweepBatch, SweepWork
from trainers.sweeps.sweep_run import POOLED, Run, params_text
from trainers.sweeps.sweep_workers import run_batches

STUDY_DIGITS = 12

OnProgress = Callable[[int, int], None]


class Swept(NamedTuple):
    """What became of a sweep: how many runs it has, were there before, and are new in the store."""

    runs: int
    found: int
    added: int


def sweep(
    work: SweepWork,
    store: ResearchStore,
    ledger: TrialLedger,
    *,
    workers: int,
    now_ns: int,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Swept:
    """Do the runs of `work` that the store has not, each batch in one transaction.

    A run is first counted as a trial of the ledger. `now_ns`: when the sweep was started.
    `on_progress` is told how many runs are done, of how many. The result depends on neither the
    number of workers nor the order in which they end. Errors as `run_batches` and the store.
    """
    plan = work.plan
    store.add_sweep(plan.digest, plan.text, now_ns)
    wanted, found = _unfinished(work, store)
    done, added = found, 0
    on_progress(done, work.runs)
    for batch, performances in run_batches(wanted, work.history, work.costs, workers=workers):
        runs = _runs_of(work, batch, performances)
        ledger.record(_trial_of(work, run) for run in runs)
        added += store.add(runs, sweep=plan.digest, recorded_ts=now_ns)
        done += len(runs)
        on_progress(done, work.runs)
    return Swept(work.runs, found, added)


def runs_in(work: SweepWork, runs: list[Run]) -> list[Run]:
    """Return those of `runs` that belong to this sweep, whoever did them."""
    keys = {key for batch in work.batches for key in batch.keys.values()}
    return [run for run in runs if run.key in keys]


def _unfinished(work: SweepWork, store: ResearchStore) -> tuple[list[SweepBatch], int]:
    finished = store.finished(key for batch in work.batches for key in batch.keys.values())
    left = [
        batch._replace(
            keys={symbol: key for symbol, key in batch.keys.items() if key not in finished}
        )
        for batch in work.batches
    ]
    return [batch for batch in left if batch.keys], len(finished)


def _trial_of(work: SweepWork, run: Run) -> Trial:
    return Trial(
        kind="strategy",
        scope=run.strategy,
        symbols_digest=symbols_digest_of(
            work.history.symbols if run.symbol == POOLED else (run.symbol,)
        ),
        data_digest=run.data_digest,
        params_digest=hashlib.sha256(run.params.encode()).hexdigest(),
        study=f"sweep {work.plan.digest[:STUDY_DIGITS]}",
        sharpe=run.performance.period_sharpe,
        periods=run.performance.periods,
    )


def _runs_of(work: SweepWork, batch: SweepBatch, performances: list[Performance]) -> list[Run]:
    params = params_text(batch.params)
    return [
        Run(
            key=key,
            strategy=batch.strategy,
            symbol=symbol,
            interval=work.history.interval,
            params=params,
            data_digest=work.digests[symbol],
            started_ts=work.spans[symbol][0],
            ended_ts=work.spans[symbol][1],
            code_version=work.code_versions[batch.strategy],
            performance=performance,
        )
        for (symbol, key), performance in zip(batch.keys.items(), performances, strict=True)
    ]
