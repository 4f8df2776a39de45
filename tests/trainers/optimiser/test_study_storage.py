"""A storage is opened by several at one moment, or says why it cannot be."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from streams.errors import DataError
from trainers.optimiser import study_storage
from trainers.optimiser.study_storage import OPEN_TRIES, open_storage

BY_ANOTHER = (
    OperationalError("", {}, Exception("table studies already exists")),
    IntegrityError("", {}, Exception("UNIQUE constraint failed: alembic_version.version_num")),
)


@pytest.mark.parametrize("error", BY_ANOTHER, ids=["table", "version"])
def test_what_another_process_made_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plain, tries = study_storage._opened, []

    def beaten(*given, **told):
        tries.append(given)
        if len(tries) < OPEN_TRIES:
            raise error
        return plain(*given, **told)

    monkeypatch.setattr(study_storage, "_opened", beaten)
    assert open_storage(tmp_path / "studies.db").get_all_studies() == []
    monkeypatch.setattr(study_storage, "OPEN_TRIES", 2)
    tries.clear()
    with pytest.raises(DataError, match=r"studies\.db cannot be used: "):
        open_storage(tmp_path / "studies.db")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"studies\.db cannot be used: .*file"):
        open_storage(tmp_path / "file" / "studies.db")
