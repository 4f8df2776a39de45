"""The registry of a running broker, as people look at it."""

from typing import Any

import msgspec

from deploy.connection import connect
from models.card import ModelCard
from models.registry import Pointer, Registry
from streams.bus import Bus

NULL_MODEL = "null model"


class ModelLine(msgspec.Struct, frozen=True):
    """What is in force for a scope; digest empty: the null model."""

    scope: str
    version: str
    digest: str
    effective_ts: int


async def models_in_force(url: str) -> tuple[ModelLine, ...]:
    """Return what is in force at the broker `url`, by scope."""
    bus = await connect(url, "assay-models")
    try:
        return await model_lines(bus)
    finally:
        await bus.close()


async def model_lines(bus: Bus) -> tuple[ModelLine, ...]:
    """Return what the registry on `bus` points at, by scope."""
    return tuple(_line(pointer) for pointer in await Registry(bus).pointers())


async def card_of(url: str, name: str) -> dict[str, Any] | None:
    """Return the card of the model whose version or digest starts with `name`, or None.

    The golden rows are left out: they are for machines.
    """
    bus = await connect(url, "assay-models")
    try:
        registry = Registry(bus)
        placings = [
            placing
            for pointer in await registry.pointers()
            for placing in (pointer.current, *pointer.history)
            if placing.digest
        ]
        for placing in placings:
            if placing.version.startswith(name) or placing.digest.startswith(name):
                artifact = await registry.get(placing.digest)
                if artifact is not None:
                    return _card(placing.version, placing.digest, artifact.card)
        return None
    finally:
        await bus.close()


def _card(version: str, digest: str, card: ModelCard) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(card)
    for key in ("golden_inputs", "golden_outputs", "input_guard"):
        fields.pop(key, None)
    return {"version": version, "digest": digest, **fields}


def _line(pointer: Pointer) -> ModelLine:
    scope = pointer.strategy if pointer.symbol is None else f"{pointer.strategy} {pointer.symbol}"
    current = pointer.current
    return ModelLine(
        scope,
        current.version or NULL_MODEL,
        current.digest,
        current.effective_ts,
    )
