"""The models that a broker knows of, wherever they stand, and how people name them."""

from collections.abc import Iterable

import msgspec

from deploy.terminal_text import one_line
from models.registry import Pointer, Registry
from streams.bus import Bus
from streams.errors import ConfigError
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.shadows import ScopeRecord, Shadows

IN_FORCE = "in force"
CANARY = "canary"
SHADOW = "shadow"
BEFORE = "before"
DECIDED = "decided on"
NAMES_TOLD_MAX = 5
NAME_SHOWN = 80

Scope = tuple[str, str | None]


class KnownModel(msgspec.Struct, frozen=True):
    """A model of a scope: strategy, and symbol or None. `standing`: what it is there, best first.

    That is `in force`, `canary`, `shadow`, `before` (it was in force) or `decided on`.
    """

    version: str
    digest: str
    strategy: str
    symbol: str | None
    standing: tuple[str, ...]


async def known_models(bus: Bus) -> list[KnownModel]:
    """Return every model that a pointer, a shadow record or a decision names, by scope."""
    pointers = await Registry(bus).pointers()
    decisions = await Ledger(bus).decisions()
    scopes: set[Scope] = {(p.strategy, p.symbol) for p in pointers}
    scopes |= {(d.deployment.strategy, d.deployment.symbol) for d in decisions}
    shadows = Shadows(bus)
    records = {scope: await shadows.of(*scope) for scope in sorted(scopes, key=_order)}
    return _gathered(pointers, records, decisions)


def find_model(known: Iterable[KnownModel], name: str) -> list[KnownModel]:
    """Return where the one model stands whose version or digest is, or starts with, `name`.

    Raises ConfigError where none or several are called so.
    """
    shown = one_line(name, NAME_SHOWN)
    all_known = list(known)
    found = [one for one in all_known if name and name in (one.version, one.digest)]
    if not found and name:
        found = [m for m in all_known if m.version.startswith(name) or m.digest.startswith(name)]
    if not found:
        raise ConfigError(f"no model in the registry is called {shown!r}: see assay models list")
    versions = sorted({one.digest: one.version for one in found}.values())
    if len(versions) > 1:
        told = ", ".join(versions[:NAMES_TOLD_MAX])
        more = ", ..." if len(versions) > NAMES_TOLD_MAX else ""
        raise ConfigError(f"{shown!r} is the start of several models: {told}{more}; say more of it")
    return found


def _gathered(
    pointers: Iterable[Pointer],
    records: dict[Scope, ScopeRecord],
    decisions: Iterable[Decision],
) -> list[KnownModel]:
    standing: dict[tuple[str, str, str, str | None], dict[str, None]] = {}

    def note(version: str, digest: str, scope: Scope, what: str) -> None:
        if digest:
            standing.setdefault((version, digest, *scope), {})[what] = None

    for pointer in pointers:
        scope = (pointer.strategy, pointer.symbol)
        note(pointer.current.version, pointer.current.digest, scope, IN_FORCE)
        if pointer.canary is not None:
            note(pointer.canary.version, pointer.canary.digest, scope, CANARY)
    for scope, record in records.items():
        for shadow in record.shadows:
            note(shadow.version, shadow.digest, scope, SHADOW)
    for pointer in pointers:
        for placing in pointer.history:
            note(placing.version, placing.digest, (pointer.strategy, pointer.symbol), BEFORE)
    for decision in decisions:
        made = decision.deployment
        note(made.version, made.digest, (made.strategy, made.symbol), DECIDED)
    found = [KnownModel(*key, tuple(words)) for key, words in standing.items()]
    return sorted(found, key=lambda one: (*_order((one.strategy, one.symbol)), one.version))


def _order(scope: Scope) -> tuple[str, str]:
    return scope[0], scope[1] or ""
