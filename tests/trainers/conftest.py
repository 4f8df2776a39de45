from pathlib import Path

import pytest

from tests.trainers.house import House, run_job_here


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("trainers.retraining.training_jobs.run_in_process", run_job_here)
    return House(tmp_path)
