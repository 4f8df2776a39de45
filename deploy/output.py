"""What a command says: lines for people, or one JSON document for machines.

With `--json` the document is the last line of standard output and everything else goes to
standard error.
"""

import os
import sys
from typing import Any

import msgspec
from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 120


class _Console(Console):
    """A console that tells when nobody reads it any more, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        raise


class Output:
    """Where one command writes."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # highlight=False: numbers stay as they are written when the output is copied.
        self.console = _Console(stderr=as_json, highlight=False, soft_wrap=True)
        if not self.console.is_terminal and "COLUMNS" not in os.environ:
            self.console.width = WIDTH_WITHOUT_TERMINAL

    def say(self, text: str) -> None:
        """Write a line for people."""
        self.console.print(text, markup=False)

    def show(self, renderable: Any) -> None:
        """Write a table or another rich renderable for people."""
        self.console.print(renderable)

    def document(self, value: Any) -> None:
        """Write the JSON document, when one was asked for."""
        if self.as_json:
            sys.stdout.write(msgspec.json.encode(value, order="sorted").decode() + "\n")
            sys.stdout.flush()
