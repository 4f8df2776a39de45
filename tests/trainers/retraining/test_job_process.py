"""Jobs end, whatever they do, and leave nothing behind."""

import os
import sys
from pathlib import Path

import pytest

from streams.errors import ModelError
from tests.trainers.house import SKILLED, House, end_of
from trainers.retraining.job_files import CARD_FILE
from trainers.retraining.job_process import fresh_folder, run_in_process

HANGS = (sys.executable, "-c", "import time; time.sleep(600)")
WAITS_UNTIL_IT_IS_NICED = (
    sys.executable,
    "-c",
    "import os, pathlib, sys, time\n"
    "while os.nice(0) < 10: time.sleep(0.01)\n"
    'result = \'{"promoted": false, "reason": "niced", "figures": {}}\'\n'
    "pathlib.Path(sys.argv[1], 'result.json').write_text(result)",
)
ENDS_WITHOUT_A_WORD = (sys.executable, "-c", "")


async def test_a_job_that_hangs_is_killed_and_given_up(tmp_path: Path):
    with pytest.raises(ModelError, match="failed 2 times, last with it took too long"):
        await run_in_process(tmp_path, command=HANGS, timeout_s=0.2)


async def test_a_job_that_ends_without_a_result_is_an_error(tmp_path: Path):
    with pytest.raises(ModelError, match="left no result"):
        await run_in_process(tmp_path, command=ENDS_WITHOUT_A_WORD)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="no process is niced here")
async def test_a_job_gives_way_from_its_first_step_on(tmp_path: Path):
    result = await run_in_process(
        tmp_path, command=WAITS_UNTIL_IT_IS_NICED, timeout_s=20.0, tries=1
    )
    assert result.reason == "niced"


def test_a_job_that_outlived_its_trainer_cannot_write_into_the_next_ones_folder(tmp_path: Path):
    outlived = fresh_folder(tmp_path, "r-1")
    other = fresh_folder(tmp_path, "r-2")
    again = fresh_folder(tmp_path, "r-1")
    assert again != outlived
    assert not outlived.exists()
    assert other.exists()
    with pytest.raises(FileNotFoundError):
        (outlived / CARD_FILE).write_bytes(b"{}")


async def test_a_failed_job_leaves_no_files_behind(house: House):
    await house.tell(SKILLED.take(SKILLED.ts <= SKILLED.ts[50]))
    async with house.working(house.worker(job_command=ENDS_WITHOUT_A_WORD)):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.kept()) == 1
    assert list((house.folder / "jobs" / "trainer-0").iterdir()) == []
