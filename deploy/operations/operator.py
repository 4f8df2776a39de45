"""Who gives an order, and why: what the audit remembers of it."""

import getpass
from typing import Annotated, NamedTuple

import typer

from deploy.terminal_text import one_line
from engine.policies import TRAINER
from streams.errors import ConfigError
from streams.events import TEXT_MAX

WhyOption = Annotated[
    str,
    typer.Option("--why", help="The reason, for the audit.", metavar="TEXT", show_default=False),
]
ByOption = Annotated[
    str | None,
    typer.Option("--by", help="Who says so, not the user of this system.", metavar="NAME"),
]


class Operator(NamedTuple):
    """A person and the reason given, each one line of 1 to TEXT_MAX characters."""

    by: str
    why: str


def operator_of(by: str | None, why: str) -> Operator:
    """Return who orders and why; without `by` the user of the operating system.

    What is too long is cut and what cannot be printed is replaced: an order in an emergency is
    not refused for its wording. Raises ConfigError where nothing is left, and for the trainer's
    name: what stands under that gives way to a person's word.
    """
    reason = one_line(why, TEXT_MAX)
    if not reason:
        raise ConfigError("--why must say the reason for the audit, was empty")
    name = one_line(_user() if by is None else by, TEXT_MAX)
    if not name or name.casefold() == TRAINER:
        raise ConfigError(f"--by must name a person or a program, not {TRAINER!r}, was {name!r}")
    return Operator(name, reason)


def _user() -> str:
    try:
        return getpass.getuser()
    # A container's user may have no name.
    except (KeyError, OSError, ImportError):
        return "unknown"
