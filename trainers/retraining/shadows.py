"""What stands in the shadow of a scope, and what was tried there: one record by compare-and-set.

Challengers that had a model but were not promoted stay for a while: every answer carries the
vector that was served, so they speak on the very same inputs later, off the hot path. The record
also counts what the gate has judged beside the model in force, for its alpha is spent over all of
them. A champion that was replaced after a confirmed drift is remembered as retired: markets come
back, and it needs no samples to be there again. A champion that was only recalibrated is the same
one: what was tried beside it, and its drift, stay with it. The record follows from the decisions
in the ledger; to note one twice changes nothing, and one that is noted late, behind what came
after it, says nothing of the champion that stands.
"""

import msgspec

from models.registry import scope_key
from streams import subjects
from streams.bus import Bus
from streams.errors import ConflictError, ModelRefused
from streams.events import Retrain
from streams.topology import BUCKET_MODELS
from trainers.retraining.ledger import OVERTAKEN, SKILL_RETURNED, Decision
from trainers.retraining.request import DRIFT_ALARM, RETRAIN

SHADOWS_MAX = 8
RETIRED_MAX = 3
LOOKS_MAX = 16
ANSWERS_MAX = 64
NOTE_TRIES = 16
KIND = "shadow"


class Shadow(msgspec.Struct, frozen=True):
    """A challenger that was not promoted, and the request that it was made for."""

    version: str
    digest: str
    request_id: str


class Look(msgspec.Struct, frozen=True):
    """How often a model was judged beside the one in force, on how many outcomes at last."""

    digest: str
    outcomes: int
    count: int = 1


class Answer(msgspec.Struct, frozen=True):
    """A request that was worked on: `ts` is the event time up to which it was."""

    request_id: str
    action: str
    reason: str
    ts: int


class ScopeRecord(msgspec.Struct, frozen=True):
    """The shadow of a scope, everything newest first.

    `champion` is the digest that `tried` challengers were judged beside since it came into force,
    or since its last confirmed drift. `alarmed` is the champion whose drift was confirmed, ""
    where none stands, `changed_ts` the signal time from which on it is taken to have failed:
    not before it was last found to have skill.
    `returned_ts` is when it was last found to have skill again, 0 where it was not.
    `placed` is the least revision of the pointer that a decision about it was made at.
    """

    shadows: tuple[Shadow, ...] = ()
    champion: str = ""
    tried: int = 0
    looks: tuple[Look, ...] = ()
    answers: tuple[Answer, ...] = ()
    retired: tuple[Shadow, ...] = ()
    alarmed: str = ""
    changed_ts: int = 0
    returned_ts: int = 0
    placed: int = 0
    revision: int = 0

    def tried_beside(self, champion: str) -> int:
        """How many challengers were judged beside this champion."""
        return self.tried if champion == self.champion else 0

    def look_at(self, digest: str, champion: str) -> Look:
        """Return the last look at a model beside this champion."""
        found = (look for look in self.looks if look.digest == digest)
        nothing = Look(digest, 0, 0)
        return next(found, nothing) if champion == self.champion else nothing

    def newest_ts(self, *actions: str, reason: str = "") -> int | None:
        """Return the event time of the newest answer to requests of these actions, or None.

        `reason`: only to those whose reason begins so.
        """
        answers = (a for a in self.answers if a.action in actions and a.reason.startswith(reason))
        return max((answer.ts for answer in answers), default=None)

    def noting(self, decision: Decision) -> "ScopeRecord":
        """Return the record behind a decision."""
        request = decision.request
        if request and any(a.request_id == request.request_id for a in self.answers):
            return self
        if self._is_past(decision):
            return self if request is None else self._counting(decision, request, is_past=True)
        record = self._beside(decision.champion, decision.expected)
        if request is not None:
            record = record._answering(decision, request)
        if not (decision.is_promoted and decision.deployment.share >= 1.0):
            return record
        digest, placed = decision.deployment.digest, decision.expected + 1
        if decision.is_heir:
            return record._inherited_by(digest, placed)
        return record._retiring(decision)._beside(digest, placed)

    def _is_past(self, decision: Decision) -> bool:
        """Whether it was made beside a model that is not in force any more."""
        if decision.reason == OVERTAKEN:
            return True
        return decision.champion != self.champion and decision.expected < self.placed

    def failed_since(self, champion: str) -> int | None:
        """Return the signal time from which on a champion has failed, None where it has not."""
        return self.changed_ts if champion and champion == self.alarmed else None

    def fails_anew(self, request: Retrain, champion: str) -> bool:
        """Whether a request learns from a change that came behind a champion's return.

        The monitor, which is not told of the return, goes on with the drift that it knew.
        """
        is_known = champion != "" and champion == self.champion and self.returned_ts > 0
        return is_known and request.since_ts > self.returned_ts

    def _retiring(self, decision: Decision) -> "ScopeRecord":
        """Remember a champion that drift took out, and forget one that comes back."""
        digest, version = decision.champion, decision.deployment.previous
        retired = [one for one in self.retired if one.digest != decision.deployment.digest]
        if version and self.failed_since(digest) is not None:
            others = (one for one in retired if one.digest != digest)
            retired = [Shadow(version, digest, decision.request_id), *others]
        return msgspec.structs.replace(self, retired=tuple(retired[:RETIRED_MAX]))

    def _beside(self, champion: str, placed: int) -> "ScopeRecord":
        placed = max(placed, self.placed)
        if champion == self.champion:
            return msgspec.structs.replace(self, placed=placed)
        left = tuple(shadow for shadow in self.shadows if shadow.digest != champion)
        return msgspec.structs.replace(
            self,
            champion=champion,
            tried=0,
            looks=(),
            shadows=left,
            alarmed="",
            returned_ts=0,
            placed=placed,
        )

    def _inherited_by(self, heir: str, placed: int) -> "ScopeRecord":
        """Return the record of the champion for its heir, which ranks as it did."""
        alarmed = heir if self.failed_since(self.champion) is not None else ""
        return msgspec.structs.replace(
            self, champion=heir, alarmed=alarmed, placed=max(placed, self.placed)
        )

    def _answering(self, decision: Decision, request: Retrain) -> "ScopeRecord":
        is_alarm = request.reason.startswith(DRIFT_ALARM) and not decision.is_refusal
        if is_alarm:
            # What was seen of the models in the shadow was another market.
            cleared = msgspec.structs.replace(
                self,
                alarmed=self.champion,
                changed_ts=max(request.since_ts, self.returned_ts),
                returned_ts=0,
                looks=(),
                tried=0,
            )
            return cleared._counting(decision, request)
        return self._counting(decision, request)

    def _counting(
        self, decision: Decision, request: Retrain, *, is_past: bool = False
    ) -> "ScopeRecord":
        answer = Answer(request.request_id, request.action, request.reason, decision.cutoff_ts)
        is_back = decision.reason == SKILL_RETURNED and not is_past
        if is_past:
            decision = msgspec.structs.replace(decision, trials=0, looks={})
        looks = tuple(
            Look(digest, outcomes, self.look_at(digest, self.champion).count + 1)
            for digest, outcomes in decision.looks.items()
        )
        if decision.is_promoted:
            # What becomes a canary is judged on what comes from here on: it was not looked at yet.
            looks = tuple(look for look in looks if look.digest != decision.deployment.digest)
        touched = {decision.deployment.digest, *decision.looks}
        others = tuple(look for look in self.looks if look.digest not in touched)
        return msgspec.structs.replace(
            self,
            # A recalibration that is promoted has spent nothing: its champion goes on being one.
            tried=self.tried + (0 if decision.is_heir else decision.trials),
            alarmed="" if is_back else self.alarmed,
            returned_ts=decision.cutoff_ts if is_back else self.returned_ts,
            looks=(*looks, *others)[:LOOKS_MAX],
            answers=(answer, *self.answers)[:ANSWERS_MAX],
            shadows=self._with_challenger_of(decision),
        )

    def _with_challenger_of(self, decision: Decision) -> tuple[Shadow, ...]:
        made, request = decision.deployment, decision.request
        # A recalibrated model ranks as its parent does, so no review could prefer it.
        is_challenger = request is not None and request.action == RETRAIN
        if decision.is_promoted:
            # A canary is judged on its own: it left the shadow, or was never there.
            return tuple(shadow for shadow in self.shadows if shadow.digest != made.digest)
        if not is_challenger or made.digest in {"", self.champion}:
            return self.shadows
        others = (shadow for shadow in self.shadows if shadow.digest != made.digest)
        shadow = Shadow(made.version, made.digest, decision.request_id)
        return (shadow, *others)[:SHADOWS_MAX]


class Shadows:
    """The records of all scopes, over a bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of(self, strategy: str, symbol: str | None) -> ScopeRecord:
        """Return the record of a scope, an empty one where nothing was noted yet.

        Raises ModelRefused where it cannot be read.
        """
        key = scope_key(strategy, symbol, KIND)
        entry = await self._bus.key_get(BUCKET_MODELS, key)
        if entry is None:
            return ScopeRecord()
        try:
            record = msgspec.json.decode(entry.value, type=ScopeRecord)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelRefused(
                f"the key {BUCKET_MODELS}/{key} is not a shadow record ({error}); write {{}} there"
            ) from None
        return msgspec.structs.replace(record, revision=entry.revision)

    async def symbols(self, strategy: str) -> list[str]:
        """Return the symbols of which a record of their own was noted, sorted."""
        begins = f"{scope_key(strategy, None, KIND)}."
        keys = await self._bus.keys(BUCKET_MODELS)
        own = (key.removeprefix(begins) for key in keys if key.startswith(begins))
        return sorted(map(subjects.name_of, own))

    async def note(self, decision: Decision) -> ScopeRecord:
        """Note a decision; doing it again changes nothing. Raises ConflictError under a storm."""
        scope = decision.deployment.strategy, decision.deployment.symbol
        for _ in range(NOTE_TRIES):
            record = await self.of(*scope)
            noted = record.noting(decision)
            if noted == record:
                return record
            value = msgspec.json.encode(msgspec.structs.replace(noted, revision=0))
            key = scope_key(*scope, KIND)
            try:
                revision = await self._bus.key_put(
                    BUCKET_MODELS, key, value, expected=record.revision
                )
            except ConflictError:
                continue
            return msgspec.structs.replace(noted, revision=revision)
        raise ConflictError(f"{NOTE_TRIES} others wrote the shadow record of {scope} first")
