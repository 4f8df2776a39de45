"""The registry of a running broker, as people look at it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from deploy.connection import connect
from deploy.operations.known_models import find_model, known_models
from deploy.operations.model_words import model_name
from deploy.operations.recorded import newest_event_ts
from deploy.operations.scorer_refusals import Refusals, refusals_of
from models.card import ModelCard
from models.registry import Pointer, Registry
from streams.bus import Bus
from streams.interval import DAY_NS


class ModelLine(msgspec.Struct, frozen=True):
    """What is in force for a scope; digest empty: the null model.

    `age_days` of event time since it came into force, below 0 where it has not yet, None before the
    first event. `max_age_days`
    and `is_expired` by the configuration that was given, None without one. `canary` answers
    `canary_share` of the signals, "" and 0 where there is none; `previous` is what a rollback
    brings back, "" for nothing. `refused` is why the scorers refused the model, "" where they did
    not: then `speaking` speaks instead, "" for none of this scope; `canary_refused` the same.
    """

    scope: str
    version: str
    digest: str
    effective_ts: int
    strategy: str = ""
    symbol: str | None = None
    pinned: bool = False
    canary: str = ""
    canary_share: float = 0.0
    previous: str = ""
    age_days: float | None = None
    max_age_days: float | None = None
    is_expired: bool | None = None
    refused: str = ""
    speaking: str = ""
    canary_refused: str = ""


async def models_in_force(
    url: str, max_ages: Mapping[str, float | None] | None = None
) -> tuple[ModelLine, ...]:
    """Return what is in force at the broker `url`, by scope.

    `max_ages`: `ml.max_age_days` by strategy, of those that are configured.
    """
    bus = await connect(url, "assay-models")
    try:
        lines = await model_lines(bus)
        return aged(lines, await newest_event_ts(bus), max_ages or {}) if lines else lines
    finally:
        await bus.close()


async def model_lines(bus: Bus) -> tuple[ModelLine, ...]:
    """Return what the registry on `bus` points at, by scope, and what scorers say of it."""
    pointers = await Registry(bus).pointers()
    refusals = await refusals_of(bus, pointers)
    return tuple(_line(pointer, refusals) for pointer in pointers)


def aged(
    lines: tuple[ModelLine, ...], now_ts: int, max_ages: Mapping[str, float | None]
) -> tuple[ModelLine, ...]:
    """Return `lines` with their age at event time `now_ts`, 0 for unknown."""
    return tuple(_aged(line, now_ts, max_ages) for line in lines)


async def card_of(
    url: str, name: str, max_ages: Mapping[str, float | None] | None = None
) -> dict[str, Any] | None:
    """Return the card of the model called `name`, or the start of that, and where it stands.

    The golden rows are left out: they are for machines. None where the object store has lost it.
    Raises ConfigError where no model, or several, are called so.
    """
    bus = await connect(url, "assay-models")
    try:
        found = find_model(await known_models(bus), name)
        artifact = await Registry(bus).get(found[0].digest)
        if artifact is None:
            return None
        lines = aged(await model_lines(bus), await newest_event_ts(bus), max_ages or {})
        speaking = [line for line in lines if line.digest == found[0].digest]
        stands = {
            "standing": [
                {"strategy": one.strategy, "symbol": one.symbol, "as": one.standing}
                for one in found
            ],
            "in_force": [msgspec.to_builtins(line) for line in speaking],
        }
        return _card(found[0].version, found[0].digest, artifact.card) | stands
    finally:
        await bus.close()


def _card(version: str, digest: str, card: ModelCard) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(card)
    for key in ("golden_inputs", "golden_outputs", "input_guard"):
        fields.pop(key, None)
    return {"version": version, "digest": digest, **fields}


def _aged(line: ModelLine, now_ts: int, max_ages: Mapping[str, float | None]) -> ModelLine:
    if not line.digest or not now_ts:
        return line
    age_days = (now_ts - line.effective_ts) / DAY_NS
    if line.strategy not in max_ages:
        return msgspec.structs.replace(line, age_days=age_days)
    at_most = max_ages[line.strategy]
    is_expired = at_most is not None and age_days > at_most
    return msgspec.structs.replace(
        line, age_days=age_days, max_age_days=at_most, is_expired=is_expired
    )


def _line(pointer: Pointer, refusals: Refusals) -> ModelLine:
    scope = pointer.strategy if pointer.symbol is None else f"{pointer.strategy} {pointer.symbol}"
    current, canary, previous = pointer.current, pointer.canary, pointer.previous
    speaking = refusals.speaking(pointer)
    return ModelLine(
        scope,
        model_name(current.version),
        current.digest,
        current.effective_ts,
        pointer.strategy,
        pointer.symbol,
        pointer.pinned,
        canary.version if canary is not None else "",
        pointer.share if canary is not None else 0.0,
        previous.version if previous is not None else "",
        refused=refusals.why(pointer, current),
        speaking=speaking.version if speaking is not None and speaking.digest else "",
        canary_refused=refusals.why(pointer, canary),
    )
