"""Processes that work on one study together; the first of them is this one.

The others are spawned, not forked: nothing of the parent's connections comes with them. They
leave Ctrl-C to the parent and end after their trial when they are told to, or when it is gone.
Where one dies, the others do its trials.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from engine.backtests.bar_history import BarHistory
from streams.clock import SystemClock
from streams.errors import ConfigError, DataError
from trainers.database.engine import open_database
from trainers.optimiser.evaluation import Evaluator, StudyTask
from trainers.optimiser.study import TrialStudy
from trainers.optimiser.study_folder import map_history, write_history
from trainers.optimiser.study_ledger import StudyLedger
from trainers.optimiser.study_member import Pulse, member_name
from trainers.optimiser.study_storage import open_storage, telling_of
from trainers.optimiser.study_work import work

WORKERS_MAX = 256
ENDS_WITHIN_S = 60.0
"""How long a worker may finish its trial when it is told to end."""

STOP = b"stop"


class StudyPlace(NamedTuple):
    """Where a study is: its storage, its name in it, and what its trials depend on.

    `ledger` is where they are counted.
    """

    location: str | Path
    name: str
    identity: Mapping[str, Any]
    ledger: str | Path

    def open(self) -> TrialStudy:
        """Return the study; see `TrialStudy`."""
        return TrialStudy(open_storage(self.location), self.name, self.identity)


def run_study(
    study: TrialStudy,
    place: StudyPlace,
    task: StudyTask,
    history: BarHistory,
    *,
    limit: int,
    workers: int,
    on_progress: Callable[[TrialStudy], None],
) -> None:
    """Bring a study to `limit` complete trials. What is finished stays when this is stopped.

    Raises ConfigError for a number of workers that is none.
    """
    if not 1 <= workers <= WORKERS_MAX:
        raise ConfigError(f"workers must be 1 to {WORKERS_MAX}, was {workers}")
    on_progress(study)
    if len(study.look().complete) >= limit:
        return
    with tempfile.TemporaryDirectory(prefix="assay-study-") as name:
        folder = Path(name)
        if workers > 1:
            write_history(history, folder)
        crew = _Crew(_Job(place, task, folder, limit), workers - 1)
        try:
            _work_on(
                _Job(place, task, folder, limit),
                study,
                history,
                number=0,
                is_alone=workers == 1,
                wait=threading.Event().wait,
                on_progress=on_progress,
            )
        finally:
            crew.end()
    on_progress(study)


class _Job(NamedTuple):
    place: StudyPlace
    task: StudyTask
    folder: Path
    limit: int


class _Crew:
    """The processes beside this one, and the line to each."""

    def __init__(self, job: _Job, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._lines: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for number in range(1, size + 1):
            ours, theirs = context.Pipe()
            process = context.Process(target=_be_worker, args=(job, number, theirs), daemon=True)
            process.start()
            theirs.close()
            self._lines.append(ours)
            self._processes.append(process)

    def end(self) -> None:
        """Let every worker finish its trial, and kill those that take too long."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.send_bytes(STOP)
        for line, process in zip(self._lines, self._processes, strict=True):
            process.join(ENDS_WITHIN_S)
            if process.is_alive():
                process.kill()
                process.join()
            line.close()


def _be_worker(job: _Job, number: int, line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    threading.Thread(target=_follow_parent, args=(line, stop), daemon=True).start()
    try:
        with telling_of(job.place.location), job.place.open() as study:
            _work_on(
                job,
                study,
                map_history(job.folder),
                number=number,
                is_alone=False,
                wait=stop.wait,
                on_progress=lambda _study: None,
            )
    except DataError:
        # The parent works on the same databases, and is the one that tells.
        os._exit(1)
    # All is written: to take this process apart in order takes longer than a trial.
    os._exit(0)


def _follow_parent(line: Connection, stop: threading.Event) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel, line])
    stop.set()


def _work_on(
    job: _Job,
    study: TrialStudy,
    history: BarHistory,
    *,
    number: int,
    is_alone: bool,
    wait: Callable[[float], bool],
    on_progress: Callable[[TrialStudy], None],
) -> None:
    place, clock, member = job.place, SystemClock(), member_name(number)
    engine = open_database(place.location, title="study storage")
    try:
        with (
            StudyLedger(place.ledger, job.task, place.name, history) as ledger,
            Pulse(engine, member),
        ):
            work(
                study,
                job.task,
                Evaluator(job.task, history),
                ledger,
                engine,
                limit=job.limit,
                member=member,
                is_alone=is_alone,
                wait=wait,
                now_s=lambda: clock.now_ns() / 1e9,
                on_trial=lambda: on_progress(study),
            )
    finally:
        engine.dispose()
