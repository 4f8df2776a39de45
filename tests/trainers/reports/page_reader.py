"""What a reader of a page sees: its words, the rows of its tables, its links."""

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "br", "img", "input", "circle", "line"}


class Seen(NamedTuple):
    """`words` outside scripts and styles; `rows` of all tables, cell by cell; `links`; `ids`."""

    words: str
    rows: list[list[str]]
    tiles: list[str]
    links: list[str]
    ids: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.tiles: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if named.get("class") == "tile":
            self.tiles.append("")
        if tag == "a":
            self.links.append(named["href"] or "")
        if named.get("id"):
            self.ids.append(named["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if {"script", "style"} & set(self.open):
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if {"b", "i"} & set(self.open) and "table" not in self.open and self.tiles:
            self.tiles[-1] += f" {data}"


def seen(page: str) -> Seen:
    """Read a page; raises AssertionError where its tags do not close in order."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open, reader.open
    words = " ".join(" ".join(reader.words).split())
    return Seen(words, reader.rows, reader.tiles, reader.links, reader.ids)
