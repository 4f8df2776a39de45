"""The file map of ARCHITECTURE.md: one line per file, taken from its docstring.

`python -m tests.file_map` (part of `make format`) writes it; a test holds it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house import PACKAGES, ROOT

DOCUMENT = ROOT / "ARCHITECTURE.md"
BEGIN = "<!-- file map: written by `make format` -->\n"
END = "<!-- end of file map -->\n"

# Folders that are found by file name: each is one line of the map, whatever it holds.
DROP_IN = ("commands", "detectors", "features", "learners", "sources", "strategies")


def first_sentence(path: Path) -> str:
    """What a file says it is, without the full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def rows(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if place.parts[0] in DROP_IN:
            if len(place.parts) == 2 and path.name == "__init__.py":
                yield f"| `{place.parent}/*.py` | {first_sentence(path)} |"
        elif path.name != "__init__.py":
            yield f"| `{place.as_posix()}` | {first_sentence(path)} |"


def file_map() -> str:
    parts = []
    for name in PACKAGES:
        heading = f"**`{name}/`** {first_sentence(ROOT / name / '__init__.py')}"
        parts.append("\n".join([heading, "", "| file | what |", "|---|---|", *rows(ROOT / name)]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def written() -> str:
    """The map that ARCHITECTURE.md holds now."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(before + BEGIN + file_map() + END + after, encoding="utf-8")


if __name__ == "__main__":
    write()
