"""The account of a model as one page: verdict, warnings, figures and pictures, opened offline."""

import posixpath
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from trainers.pipeline.model_report import ModelReport
from trainers.reports.model_caveats import caveats
from trainers.reports.model_figures import figure_rows, tiles
from trainers.reports.model_sections import evaluations, sections
from trainers.reports.model_tables import Table, params_in_words
from trainers.reports.model_verdict import headline, next_step, sentence
from trainers.reports.model_words import counted, scope, span
from trainers.reports.pictures import program

TEMPLATES = Path(__file__).parent / "templates"
REPORT_FILE = "report"
"""What the page is called among the files of a report."""


def write_model_page(report: ModelReport, file: Path) -> None:
    """Write the page to `file`, as a whole. Raises OSError where that cannot be."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(model_page(report), encoding="utf-8")
    partial.replace(file)


def model_page(report: ModelReport) -> str:
    """Return the page, the same for the same report.

    Its links are as seen from where the report's `files` say that it lies.
    """
    folder = posixpath.dirname(report.files.get(REPORT_FILE, ""))
    return (
        environment()
        .get_template("model.html.j2")
        .render(
            name=scope(report.identity),
            style=style(),
            program=program(),
            lead=_lead(report),
            is_promoted=report.verdict.promoted,
            headline=headline(report),
            verdict=sentence(report),
            next_step=next_step(report),
            caveats=caveats(report),
            tiles=tiles(report),
            told_of="the holdout" if report.holdout else "what is out of fold",
            figures=_figures(report),
            sections=sections(report),
            files=[
                {"name": name, "path": path, "link": link(path, folder)}
                for name, path in report.files.items()
            ],
        )
    )


def environment() -> Environment:
    """Return what fills the templates: names are escaped, and what is not given is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
    )


def style() -> str:
    """Return the style of the house, and what reports of models add to it."""
    return "".join(
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "model.css")
    )


def link(path: str, folder: str = "") -> str:
    """Return the address of a file as seen from `folder`, "" for one that is not beside it.

    >>> link("models/a b.onnx"), link("models/a.onnx", "models"), link("javascript:alert(1)")
    ('models/a%20b.onnx', 'a.onnx', '')
    """
    normal = posixpath.normpath(path)
    is_outside = normal == ".." or normal.startswith(("/", "../"))
    if not path or "\\" in path or ":" in path or is_outside:
        return ""
    return quote(posixpath.relpath(normal, folder or "."))


def _lead(report: ModelReport) -> str:
    of, samples = report.identity, report.samples
    held_out = report.spans.holdout
    return " · ".join(
        [
            f"{of.strategy} ({params_in_words(of.params)})",
            of.interval,
            f"searched {span(report.spans.research)}, {counted(samples.count, 'signal')}",
            f"held out {span(held_out)}, {counted(samples.holdout_count, 'signal')}"
            if held_out
            else "nothing held out",
        ]
    )


def _figures(report: ModelReport) -> Table | None:
    found = evaluations(report)
    if not found:
        return None
    rows = [(row.name, *row.values, row.meaning) for row in figure_rows([one for _, one in found])]
    head = ("", *(name for name, _ in found), "how to read it")
    return Table(head, rows, words=(len(head) - 1,))
