"""What the tests of the documents look at: fenced blocks, links, commands."""

import re
from typing import NamedTuple

from tests.house import ROOT

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)[^)]*\)")
_INLINE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """A fenced block: `info` is what stands behind the fence, `sh` or `sh run`."""

    document: str
    info: str
    body: str


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(*infos: str) -> list[Block]:
    return [
        Block(document, found["info"].strip(), found["body"])
        for document in DOCUMENTS
        for found in _FENCE.finditer(text_of(document))
        if found["info"].strip() in infos
    ]


def links(document: str) -> list[str]:
    return [found["target"] for found in _LINK.finditer(text_of(document))]


def code_spans(document: str) -> list[str]:
    return _INLINE.findall(_FENCE.sub("", text_of(document)))


def command_lines() -> list[str]:
    """Every `assay …` or `make …` line that a document tells people to type."""
    lines = [
        line.partition("#")[0].strip()
        for block in blocks("sh", "sh run")
        for line in block.body.splitlines()
    ]
    lines += [span for document in DOCUMENTS for span in code_spans(document)]
    return [line for line in lines if line.startswith(("assay ", "make "))]
