"""One line on standard error when bars were repaired or dropped on their way into a command."""

import logging
import sys


class BarNotices(logging.Handler):
    """Says what `streams.source` logs, each line once per command."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    @classmethod
    def listen(cls) -> None:
        """Begin anew, for one command."""
        log = logging.getLogger("streams.source")
        for handler in list(log.handlers):
            if isinstance(handler, cls):
                log.removeHandler(handler)
        log.addHandler(cls())

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of `record`, unless this command has said it."""
        line = record.getMessage()
        if line not in self._said:
            self._said.add(line)
            sys.stderr.write(f"assay: {line}\n")
