"""Which strategies a broker knows: an order for a name that nobody uses would do nothing."""

import difflib
from collections.abc import Collection

from deploy.operations.recorded import holds_any
from deploy.terminal_text import one_line
from models.registry import scope_key
from streams import subjects, topology
from streams.bus import Bus
from streams.errors import ConfigError
from streams.events import TEXT_MAX
from streams.topology import BUCKET_MODELS

NAMES_TOLD_MAX = 10
NAME_SHOWN = 80
POINTERS = scope_key("x").removesuffix("x")


def check_name(name: str, what: str = "STRATEGY") -> None:
    """Raise ConfigError unless `name` can be that of a strategy or a symbol on the wire."""
    if not 0 < len(name) <= TEXT_MAX or not name.isprintable():
        raise ConfigError(
            f"{what} must be 1 to {TEXT_MAX} printable characters, was "
            f"{one_line(name, NAME_SHOWN)!r}"
        )


def check_configured(strategy: str, configured: Collection[str]) -> None:
    """Raise ConfigError, with the nearest name, unless `strategy` is one of `configured`."""
    if strategy not in configured:
        raise ConfigError(f"STRATEGY {strategy!r} is not known; {_nearest(strategy, configured)}")


async def check_heard_of(
    bus: Bus, strategy: str, running: Collection[str] = (), hint: str = ""
) -> None:
    """Raise ConfigError unless the broker holds a model or a signal of `strategy`.

    `running` are further names that there are, for the word which one is the nearest; `hint` is
    what else may be done.
    """
    # By the keys: a pointer that cannot be read must not stand in the way of the kill switch.
    keys = await bus.keys(BUCKET_MODELS)
    named = {subjects.name_of(key.split(".")[1]) for key in keys if key.startswith(POINTERS)}
    signals = f"{subjects.raw_frame(strategy).removesuffix(subjects.FRAME)}>"
    wanted = (signals, subjects.deployed(strategy))
    if strategy in named or await holds_any(bus, topology.INPUT, wanted):
        return
    known = _nearest(strategy, named | set(running))
    raise ConfigError(
        f"STRATEGY {strategy!r} is not known: the broker holds no signal and no model of it; "
        f"{known}{hint and '; '}{hint}"
    )


def _nearest(strategy: str, known: Collection[str]) -> str:
    if not known:
        return "no other has a model either"
    names = ", ".join(one_line(name, NAME_SHOWN) for name in sorted(known)[:NAMES_TOLD_MAX])
    nearest = difflib.get_close_matches(strategy, known, n=1)
    return f"known: {names}" + (f"; nearest: {nearest[0]!r}" if nearest else "")
