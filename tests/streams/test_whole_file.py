"""Files are whole or not there."""

from pathlib import Path

import pytest

from streams import whole_file
from streams.whole_file import write_whole


def test_a_file_is_replaced_by_what_was_written(tmp_path: Path):
    path = tmp_path / "results.json"
    for content in (b"first", b"second, and longer"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]
    assert path.stat().st_mode & 0o777 == whole_file.MODE


def test_what_cannot_be_finished_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "results.json"
    write_whole(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]


def test_a_folder_that_is_not_there_is_told_as_such(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "gone" / "results.json", b"")
