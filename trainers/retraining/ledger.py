"""The ledger of retrain requests: each is decided once, whoever answers it.

A decision is written by compare-and-set before it has any effect. A worker that dies behind it,
or that loses the race, finds it and carries out what was decided, not what it would decide. What
people decide goes the same way (`trainers.retraining.operations`).
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from models.registry import Placing
from streams import subjects
from streams.bus import Bus
from streams.errors import ConflictError, ModelRefused
from streams.events import Deployment, Policy, Retrain
from streams.topology import BUCKET_LEDGER

READS_AT_ONCE_MAX = 32
OVERTAKEN = "overtaken"
SKILL_RETURNED = "skill_returned"

log = logging.getLogger("assay.trainer")


class Decision(msgspec.Struct, frozen=True):
    """What a request came to: the event to publish and, where one is due, the policy.

    `is_promoted`: the event is told on `models.deployed` and the pointer follows it, whatever its
    share; otherwise it is told on `models.kept`. `expected` is the revision of the pointer that
    the champion was read at, `before` that champion where no pointer named it. `is_out` once all
    of it has been published.

    `request` is None for a person's own decision. `champion` is the digest of the model that was
    in force, "" for none, `trials` how many challengers the gate judged beside it, and `looks` by
    digest on how many outcomes, all known at `cutoff_ts`. `is_refusal`: nothing was looked at.
    `parent` is the digest of the model that the one promoted was recalibrated from.
    """

    request_id: str
    deployment: Deployment
    is_promoted: bool
    expected: int = 0
    policy: Policy | None = None
    is_out: bool = False
    revision: int = 0
    request: Retrain | None = None
    cutoff_ts: int = 0
    champion: str = ""
    trials: int = 0
    looks: dict[str, int] = {}
    is_refusal: bool = False
    before: Placing | None = None
    parent: str = ""

    @property
    def is_heir(self) -> bool:
        """Whether it puts the model in force itself, recalibrated, in its own place."""
        is_whole = self.is_promoted and self.deployment.share >= 1.0
        return is_whole and self.parent != "" and self.parent == self.champion

    @property
    def reason(self) -> str:
        """Why it came to that, in a word."""
        return str(self.deployment.verdict.get("reason", ""))


class Decided(NamedTuple):
    """The decision that stands; `is_fresh`: nobody else can have begun to carry it out."""

    decision: Decision
    is_fresh: bool


class Ledger:
    """Decisions by request id, in the bus's keys."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, request_id: str) -> Decision | None:
        """Return what was decided, or None; raises ModelRefused where it cannot be read."""
        return await self._read(subjects.token(request_id))

    async def decisions(self) -> list[Decision]:
        """Return every decision that can be read, by event time and request id."""
        keys = await self._bus.keys(BUCKET_LEDGER)
        found: list[Decision] = []
        for start in range(0, len(keys), READS_AT_ONCE_MAX):
            found += await self._readable(keys[start : start + READS_AT_ONCE_MAX])
        return sorted(found, key=lambda d: (d.deployment.effective_ts, d.request_id))

    async def decide(self, decision: Decision) -> Decided:
        """Write a decision if there is none yet; return the one that stands, and whose it is."""
        return await self._write(decision, expected=0)

    async def amend(self, decision: Decision) -> Decision:
        """Replace a decision that was read; return the one that stands."""
        return (await self._write(decision, expected=decision.revision)).decision

    async def _readable(self, keys: Iterable[str]) -> list[Decision]:
        async def read(key: str) -> Decision | None:
            try:
                return await self._read(key)
            except ModelRefused as error:
                log.warning("%s", error)
                return None

        return [found for found in await asyncio.gather(*map(read, keys)) if found is not None]

    async def _read(self, key: str) -> Decision | None:
        entry = await self._bus.key_get(BUCKET_LEDGER, key)
        if entry is None:
            return None
        try:
            decision = msgspec.json.decode(entry.value, type=Decision)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelRefused(
                f"the key {BUCKET_LEDGER}/{key} is not a decision ({error}); ask under another id"
            ) from None
        return msgspec.structs.replace(decision, revision=entry.revision)

    async def _write(self, decision: Decision, expected: int) -> Decided:
        key = subjects.token(decision.request_id)
        value = msgspec.json.encode(msgspec.structs.replace(decision, revision=0))
        try:
            revision = await self._bus.key_put(BUCKET_LEDGER, key, value, expected=expected)
        except ConflictError:
            standing = await self.find(decision.request_id)
            if standing is None:
                raise
            return Decided(standing, is_fresh=False)
        return Decided(msgspec.structs.replace(decision, revision=revision), is_fresh=True)
