"""Processes that share a study: killed, joined, on SQLite and on PostgreSQL."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from streams.errors import DataError
from tests.trainers.optimiser.optimise_process import TRIALS, run_in
from tests.trainers.optimiser.optimising import optimised, study_of
from trainers.database.engine import open_database, writing
from trainers.optimiser import study_member
from trainers.optimiser.study import Trials, TrialStudy
from trainers.optimiser.study_member import Pulse, Watch, is_dead_here, member_name

WITHIN_S = 60.0
FINISHED_MIN = 2


@contextlib.contextmanager
def started(folder: Path, location: str, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    module = "tests.trainers.optimiser.optimise_process"
    command = [sys.executable, "-m", module, str(folder), location, str(workers)]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def study_in(folder: Path, location: str) -> TrialStudy:
    return study_of(run_in(folder, location, 1))


def wait_until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)


def results(trials: Trials) -> dict[int, tuple[str, float]]:
    return {one.number: (str(one.params), one.value) for one in trials.finished}


def pids_of(trials: Trials) -> set[int]:
    return {int(member.split("|")[1]) for member in trials.members}


@pytest.fixture
def location(tmp_path):
    return str(tmp_path / "studies.db")


@pytest.fixture
def study(tmp_path, location):
    with study_in(tmp_path, location) as study:
        yield study


def test_a_killed_optimisation_goes_on_where_it_was(tmp_path, location, study):
    seen: set[int] = set()

    def is_under_way() -> bool:
        trials = study.look()
        seen.update(pids_of(trials))
        return len(trials.complete) >= FINISHED_MIN and len(seen) == 2 and bool(trials.running)

    with started(tmp_path, location, workers=2):
        wait_until(is_under_way)
    # The worker finds its parent gone and leaves; what it finishes meanwhile is kept as well.
    wait_until(lambda: all(is_gone(pid) for pid in seen))
    before = results(study.look())
    assert FINISHED_MIN <= len(before) < TRIALS
    report = optimised(run_in(tmp_path, location, 1))
    trials = study.look()
    assert report.trials.found == len(before)
    assert len(trials.complete) == trials.alive == TRIALS
    assert before.items() <= results(trials).items()


@pytest.mark.slow
def test_the_others_do_the_trials_of_a_killed_worker(tmp_path, location, study):
    with started(tmp_path, location, workers=2) as process:
        workers: set[int] = set()

        def has_worker() -> bool:
            workers.update(pids_of(study.look()) - {process.pid})
            return bool(workers)

        wait_until(has_worker)
        os.kill(workers.pop(), signal.SIGKILL)
        before = results(study.look())
        assert process.wait(WITHIN_S) == 0
    trials = study.look()
    assert len(trials.complete) == trials.alive == TRIALS
    assert before.items() <= results(trials).items()


def test_processes_that_join_share_the_trials_of_one_study(tmp_path, postgres_url):
    pids: set[int] = set()
    with (
        study_in(tmp_path, postgres_url) as study,
        started(tmp_path, postgres_url, 1) as one,
        started(tmp_path, postgres_url, 1) as two,
    ):

        def is_done() -> bool:
            trials = study.look()
            pids.update(pids_of(trials))
            return len(trials.complete) >= TRIALS

        wait_until(is_done)
        assert [process.wait(WITHIN_S) for process in (one, two)] == [0, 0]
        trials = study.look()
    assert len(trials.complete) == trials.alive == TRIALS
    assert pids == {one.pid, two.pid}


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def test_a_process_of_this_machine_is_known_to_be_dead_at_once():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    machine, _, _, number = member_name().split("|")
    living = f"{machine}|{child.pid}|{study_member._began(child.pid)}|{number}"
    another = f"{machine}|{child.pid}|1|{number}"
    assert not is_dead_here(living)
    # The number of a dead process was given to another one.
    assert is_dead_here(another)
    child.kill()
    # Dead before anybody has waited for it, and after.
    wait_until(lambda: is_dead_here(living))
    child.wait()
    assert is_dead_here(living)
    assert not is_dead_here(member_name())


def test_a_member_elsewhere_is_dead_when_its_pulse_stands_still(tmp_path):
    engine = open_database(tmp_path / "studies.db")
    now = [0.0]
    watch = Watch(engine, lambda: now[0])
    members = {"elsewhere|1|2|0", "unheard of|1|2|0"}
    with Pulse(engine, "elsewhere|1|2|0"):
        assert watch.dead_among(members) == set()
        now[0] = study_member.SILENT_S - 1.0
        assert watch.dead_among(members) == set()
        with writing(engine) as connection:
            connection.execute(text("UPDATE study_members SET pulse = pulse + 1"))
        assert watch.dead_among(members) == set()
        now[0] = study_member.SILENT_S + 1.0
        assert watch.dead_among(members) == {"unheard of|1|2|0"}
        now[0] = 2.0 * study_member.SILENT_S
        assert watch.dead_among(members) == members
    engine.dispose()


def test_a_missed_beat_does_not_end_a_pulse(tmp_path, monkeypatch):
    """A database that is away for a moment: the pulse goes on when it is back."""
    monkeypatch.setattr(study_member, "PULSE_S", 0.01)
    file = tmp_path / "study.db"
    engine = open_database(file)
    beats = iter([DataError("the database is away"), DataError("still away")])
    writes = study_member.writing

    def sometimes_away(where):
        error = next(beats, None)
        if error is not None:
            raise error
        return writes(where)

    with Pulse(engine, "elsewhere|1|2|0"):
        monkeypatch.setattr(study_member, "writing", sometimes_away)
        deadline = time.monotonic() + 20.0
        while not pulse_of(engine):
            assert time.monotonic() < deadline, "the pulse has stopped"
            time.sleep(0.01)
    assert next(beats, None) is None
    engine.dispose()


def pulse_of(engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pulse FROM study_members")).scalar_one())
