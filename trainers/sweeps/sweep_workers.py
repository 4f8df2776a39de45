"""Processes that run the batches of a sweep; a batch's result does not depend on which one did.

They are spawned, not forked: nothing of the parent's threads and connections comes with them.
They leave Ctrl-C to the parent, and end by themselves when it is gone.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for

from engine.backtests.bar_history import BarHistory
from engine.settings import CostSettings
from streams.errors import AssayError, ConfigError
from trainers.statistics.performance import Performance
from trainers.sweeps.sweep_batch import run_batch
from trainers.sweeps.sweep_plan import SweepBatch

WORKERS_MAX = 256
BATCHES_AHEAD = 2
"""Batches handed out per worker: one that it runs, and the next."""

Results = Iterator[tuple[SweepBatch, list[Performance]]]

_bars: list[tuple[BarHistory, tuple[CostSettings, ...]]] = []


def default_workers() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_batches(
    batches: Sequence[SweepBatch],
    history: BarHistory,
    costs: tuple[CostSettings, ...],
    *,
    workers: int,
) -> Results:
    """Yield the batches with the performance of each of their runs, in the order they are done.

    One worker is this process itself. After a Ctrl-C what is done is still yielded, then it is
    raised. Raises ConfigError for a number of workers that is none, AssayError where one died.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise ConfigError(f"workers must be 1 to {WORKERS_MAX}, was {workers}")
    if workers == 1 or len(batches) < 2:
        for batch in batches:
            yield batch, run_batch(batch.strategy, batch.params, history, costs, tuple(batch.keys))
        return
    with ProcessPoolExecutor(
        max_workers=min(workers, len(batches)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(history, costs),
    ) as pool:
        try:
            yield from _spread(pool, batches, workers * BATCHES_AHEAD)
        except BrokenProcessPool:
            raise AssayError(
                "a worker of the sweep died, most likely of too little memory: what it had "
                "finished is kept; run the same command again with fewer --workers"
            ) from None
        finally:
            with _deaf():
                pool.shutdown(wait=True, cancel_futures=True)


def _spread(pool: ProcessPoolExecutor, batches: Sequence[SweepBatch], ahead: int) -> Results:
    waiting = iter(batches)
    running: dict[Future[list[Performance]], SweepBatch] = {}
    while True:
        while len(running) < ahead and (batch := next(waiting, None)) is not None:
            given = (batch.strategy, batch.params, tuple(batch.keys))
            with _without_interrupts():
                running[pool.submit(_work, *given)] = batch
        if not running:
            return
        try:
            done = wait(running, return_when=FIRST_COMPLETED).done
        except KeyboardInterrupt:
            with _deaf():
                pool.shutdown(wait=True, cancel_futures=True)
            for future, batch in running.items():
                if not future.cancelled() and future.exception() is None:
                    yield batch, future.result()
            raise
        for future in done:
            yield running.pop(future), future.result()


@contextmanager
def _deaf() -> Iterator[None]:
    """A second Ctrl-C is not heard while the workers end: the first one's work is being kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is spawned here does not hear a Ctrl-C either, not even while it still loads."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(history: BarHistory, costs: tuple[CostSettings, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _bars.append((history, costs))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    # Killed, it can tell nobody to stop, and a worker would wait for its next batch for ever.
    os._exit(1)


def _work(strategy: str, params: dict[str, object], symbols: tuple[str, ...]) -> list[Performance]:
    history, costs = _bars[0]
    return run_batch(strategy, params, history, costs, symbols)
