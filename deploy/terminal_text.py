"""Words that others wrote, made fit for one line of a terminal."""


def printable(text: str) -> str:
    """Return `text` on one line; what a terminal would not print but obey becomes ?.

    >>> printable("  halt\\x1b[2J\\nnow")
    '  halt?[2J now'
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def one_line(text: str, at_most: int) -> str:
    """Return `text` on one line, of at most `at_most` characters, the last of them … where cut.

    White space becomes one blank; what a terminal would not print but obey becomes ?.

    >>> one_line("halt\\x1b[2J now,\\n" + "x" * 20, 16)
    'halt?[2J now, x…'
    """
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= at_most else f"{shown[: at_most - 1]}…"
