"""The registry: artefacts by digest, and for each scope the pointer to the model in force.

Artefacts lie in the object store under the digest of their card and never change. A pointer is
one key per strategy, or per strategy and symbol; it is written by compare-and-set, so that a
trainer that was thought dead cannot overwrite what came after it.

The scorer does not follow pointers: `models.deployed` in INPUT decides. Pointers are for people,
for trainers, and for a process that starts with an empty stream.
"""

import re

import msgspec

from models.artifact import Artifact
from streams import subjects
from streams.bus import Bus
from streams.errors import ConflictError, ModelError, ModelRefused
from streams.topology import BUCKET_MODELS, STORE_MODELS

HISTORY_MAX = 32
_DIGEST = re.compile(r"[0-9a-f]{64}")
_POINTER = "pointer"


class Placing(msgspec.Struct, frozen=True):
    """One model that was put in force for a scope.

    `digest` empty: the null model, nobody speaks. Times are UTC nanoseconds of event time.
    """

    version: str
    digest: str
    effective_ts: int
    request_id: str | None = None


NOTHING = Placing("", "", 0)
"""What is in force for a scope of which nobody has said anything."""


class Pointer(msgspec.Struct, frozen=True):
    """What is in force for a scope, and what was before, newest first.

    `pinned`: it stays until a person says otherwise, whatever a trainer finds. `canary` answers
    `share` of the signals beside it. `written_by` is the request behind the last change.
    """

    strategy: str
    symbol: str | None
    current: Placing
    history: tuple[Placing, ...] = ()
    pinned: bool = False
    revision: int = 0
    canary: Placing | None = None
    share: float = 0.0
    written_by: str | None = None

    @property
    def previous(self) -> Placing | None:
        """The newest model of before that is another one, None where there was none."""
        return self.before(self.current.digest)

    def before(self, *digests: str) -> Placing | None:
        """Return the newest model of before that is none of these, None where there was none."""
        others = (p for p in self.history if p.digest and p.digest not in digests)
        return next(others, None)

    @property
    def placings(self) -> tuple[Placing, ...]:
        """All that is or was here, newest first, and the canary."""
        return (self.current, *self.history, *((self.canary,) if self.canary else ()))

    def holds(self, request_id: str) -> bool:
        """Whether what stands here now is a request's doing."""
        canary = self.canary.request_id if self.canary else None
        return request_id in {self.written_by, self.current.request_id, canary}

    def has_had(self, version: str) -> bool:
        """Whether a model is or was here, by its version."""
        return any(placing.version == version for placing in self.placings)


class Registry:
    """Artefacts and pointers over a bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, artifact: Artifact) -> str:
        """Store an artefact and return its digest; storing it again changes nothing."""
        digest = artifact.digest
        await self._bus.object_put(STORE_MODELS, digest, artifact.to_bundle())
        return digest

    async def get(self, digest: str) -> Artifact | None:
        """Return the artefact of a digest, or None where the store has none.

        Raises ModelRefused if `digest` is none, or what lies under it is another model.
        """
        if not is_digest(digest):
            raise ModelRefused(f"a digest is 64 hex digits, was {digest[:64]!r}")
        data = await self._bus.object_get(STORE_MODELS, digest)
        if data is None:
            return None
        artifact = Artifact.from_bundle(data)
        if artifact.digest != digest:
            raise ModelRefused(
                f"the object {digest[:12]} holds the model {artifact.digest[:12]}; "
                "remove the object and put the model again"
            )
        return artifact

    async def pointer(self, strategy: str, symbol: str | None = None) -> Pointer | None:
        """Return the pointer of exactly this scope, or None where none was ever set."""
        return await self._read(scope_key(strategy, symbol))

    async def in_force(self, strategy: str, symbol: str) -> Pointer | None:
        """Return the pointer that counts for a symbol: its own, else the strategy's."""
        return await self.pointer(strategy, symbol) or await self.pointer(strategy)

    async def pointers(self, strategy: str | None = None) -> list[Pointer]:
        """Return every pointer, or every one of a strategy, by strategy and symbol."""
        keys = await self._bus.keys(BUCKET_MODELS)
        begins = f"{_POINTER}." if strategy is None else scope_key(strategy)
        wanted = [key for key in keys if key == begins or key.startswith(f"{begins.rstrip('.')}.")]
        found = [await self._read(key) for key in wanted]
        known = [pointer for pointer in found if pointer is not None]
        return sorted(known, key=lambda pointer: (pointer.strategy, pointer.symbol or ""))

    async def point(
        self,
        strategy: str,
        symbol: str | None,
        version: str,
        digest: str,
        *,
        effective_ts: int,
        expected: int,
        request_id: str | None = None,
        pinned: bool | None = None,
        share: float = 1.0,
        before: Placing | None = None,
    ) -> Pointer:
        """Put a model in force for a scope and return the new pointer.

        `share` below 1 makes it the canary beside what is in force, 0 ends the canary; a model
        that comes into force for all signals ends it as well. `expected` is the revision that was
        read, 0 for none yet: then `before` is what was in force without a pointer, if anything.
        `pinned` is a person's word: True holds this model, False lets go; None is a trainer's,
        which a pin refuses. Raises ModelError for that, ConflictError when somebody else wrote
        since, and BusError when the bus fails.
        """
        key = scope_key(strategy, symbol)
        held = await self._read(key)
        # A stale read would lose a line of the history though the write itself is fenced.
        if expected != (held.revision if held else 0):
            raise ConflictError(
                f"{key} is at revision {held.revision if held else 0}, expected {expected}; "
                "read the pointer again"
            )
        if pinned is None and held is not None and held.pinned:
            raise ModelError(
                f"{held.current.version} is pinned for {key}; unpin it before another is promoted"
            )
        placing = Placing(version, digest, effective_ts, request_id)
        if held is None:
            held = Pointer(strategy, symbol, before or NOTHING)
        pointer = _moved(held, placing, share, bool(pinned))
        pointer = msgspec.structs.replace(pointer, written_by=request_id, revision=0)
        value = msgspec.json.encode(pointer)
        revision = await self._bus.key_put(BUCKET_MODELS, key, value, expected=expected)
        return msgspec.structs.replace(pointer, revision=revision)

    async def _read(self, key: str) -> Pointer | None:
        entry = await self._bus.key_get(BUCKET_MODELS, key)
        if entry is None:
            return None
        try:
            pointer = msgspec.json.decode(entry.value, type=Pointer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelRefused(
                f"the key {BUCKET_MODELS}/{key} is not a pointer ({error}); promote a model anew"
            ) from None
        return msgspec.structs.replace(pointer, revision=entry.revision)


def _moved(held: Pointer, placing: Placing, share: float, pinned: bool) -> Pointer:
    if share < 1.0:
        canary = placing if share > 0.0 else None
        return msgspec.structs.replace(held, canary=canary, share=share, pinned=pinned)
    # To pin or unpin the model in force is no new chapter, and leaves its canary alone.
    if held.current == placing:
        return msgspec.structs.replace(held, pinned=pinned)
    before = () if held.current == NOTHING else (held.current,)
    history = (*before, *held.history)[:HISTORY_MAX]
    return Pointer(held.strategy, held.symbol, placing, history, pinned)


def is_digest(text: str) -> bool:
    """Whether a text is a whole digest of a model: 64 hex digits."""
    return _DIGEST.fullmatch(text) is not None


def scope_key(strategy: str, symbol: str | None = None, kind: str = _POINTER) -> str:
    """Return the key of a scope's pointer, or of what another `kind` of record says of it.

    >>> scope_key("breakout", "BRK.B")
    'pointer.breakout.BRK%2EB'
    """
    names = (strategy,) if symbol is None else (strategy, symbol)
    return ".".join((kind, *map(subjects.token, names)))
