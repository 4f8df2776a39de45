"""The look of every table in the terminal: narrow enough for 80 columns where names allow it."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def plain_table(title: str = "") -> Table:
    """Return an empty table under a title, which is text whatever it holds."""
    return Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
