"""Marks in a file: what was saved is there again, whatever ends the process."""

import errno
from pathlib import Path

import pytest

from streams import mark_file
from streams.errors import MarkError
from streams.mark_file import FileMarks
from streams.marks import Mark


def mark(number: int, symbol: str = "BRK.B") -> Mark:
    return Mark("rsi2", symbol, f"65f:{number}:0", decided=("ä 1",), position=number, stream="66")


async def loaded(path: Path) -> list[Mark]:
    """The marks as the next process finds them."""
    marks = FileMarks(path)
    found = await marks.load()
    await marks.close()
    return found


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_the_last_mark_of_each_symbol_is_kept(tmp_path: Path, durability):
    path = tmp_path / "new folder" / "marks"
    marks = FileMarks(path, durability)
    assert await marks.load() == []
    for number in (1, 2):
        await marks.save(mark(number))
        await marks.save(mark(number, "AAPL"))
    await marks.close()
    assert await loaded(path) == [mark(2), mark(2, "AAPL")]


async def test_a_last_line_that_was_cut_short_was_not_saved(tmp_path: Path):
    path = tmp_path / "marks"
    marks = FileMarks(path)
    await marks.load()
    await marks.save(mark(1))
    whole = len(path.read_bytes())
    await marks.save(mark(2))
    await marks.close()
    content = path.read_bytes()
    for length in range(whole, len(content) + 1):
        path.write_bytes(content[:length])
        assert await loaded(path) == [mark(2 if length == len(content) else 1)]


async def test_a_journal_that_grew_long_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mark_file, "JOURNAL_LINES_MIN", 10)
    path = tmp_path / "marks"
    marks = FileMarks(path)
    await marks.load()
    for number in range(1, 101):
        await marks.save(mark(number))
        assert path.read_bytes().count(b"\n") <= 14
    await marks.close()
    assert await loaded(path) == [mark(100)]


async def test_a_replacement_that_was_cut_short_changes_nothing(tmp_path: Path):
    path = tmp_path / "marks"
    marks = FileMarks(path)
    await marks.load()
    await marks.save(mark(1))
    await marks.close()
    path.with_name("marks.new").write_bytes(b'{"strat')
    assert await loaded(path) == [mark(1)]


async def test_one_engine_holds_the_file(tmp_path: Path):
    marks = FileMarks(tmp_path / "marks")
    await marks.load()
    with pytest.raises(MarkError, match="held by another process: one engine has one mark file"):
        await FileMarks(tmp_path / "marks").load()
    with pytest.raises(MarkError, match="in use by a client of this process: close it first"):
        await marks.load()
    await marks.save(mark(1))
    await marks.close()
    with pytest.raises(MarkError, match="is not open: load the marks first"):
        await marks.save(mark(2))
    assert await loaded(tmp_path / "marks") == [mark(1)]


async def test_a_damaged_file_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "marks"
    path.write_bytes(b"{}\n{oops}\n{}\n")
    with pytest.raises(MarkError, match=r"line 2 is no mark .*; put a good copy back, or remove"):
        await FileMarks(path).load()
    assert path.read_bytes() == b"{}\n{oops}\n{}\n"


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MarkError, match="cannot be used"):
        await FileMarks(tmp_path / "file" / "marks").load()


class FullDisk:
    """A file on a disk that takes half of what is written, then nothing."""

    def __init__(self, file) -> None:
        self._file = file
        self.is_full = False

    def write(self, line: bytes) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.is_full = True
        return self._file.write(line[: len(line) // 2])

    def __getattr__(self, name: str):
        return getattr(self._file, name)


async def test_a_full_disk_is_told_and_what_follows_is_whole(tmp_path: Path):
    path = tmp_path / "marks"
    marks = FileMarks(path)
    await marks.load()
    await marks.save(mark(1))
    good = marks._file
    marks._file = FullDisk(good)
    for text in ("bytes were taken", "No space left on device"):
        with pytest.raises(MarkError, match=text):
            await marks.save(mark(2))
    marks._file = good
    await marks.save(mark(3))
    await marks.close()
    assert await loaded(path) == [mark(3)]
