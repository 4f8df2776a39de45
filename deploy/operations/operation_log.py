"""Who did what to a strategy, when and why: people and the trainer, as the broker took it."""

import asyncio
from collections.abc import Collection

import msgspec

from deploy.operations.auditing import audited_id
from deploy.operations.known_strategies import check_heard_of
from deploy.operations.model_words import model_name, share_of_signals
from deploy.operations.recorded import Recorded, recorded
from deploy.utc_time import utc_time
from engine.policies import TRAINER
from streams import subjects, topology
from streams.bus import HEADER_ID, Bus
from streams.events import Audit, Deployment, Policy

ENTRIES_MAX = 10_000


class LogEntry(msgspec.Struct, frozen=True):
    """One thing done. `ts` is when the broker took it, UTC nanoseconds of the wall clock.

    `did`: promote, rollback, expire, canary, canary ended, kept, pin, unpin or policy <action>.
    `event_ts`: from when on it counts, in event time; 0 is at once.
    """

    ts: int
    time: str
    strategy: str
    symbol: str | None
    who: str
    did: str
    version: str
    why: str
    detail: str
    event_ts: int
    request_id: str


async def log_of_known(
    bus: Bus, strategy: str | None, at_most: int, running: Collection[str] = ()
) -> list[LogEntry]:
    """Return what `log_of` does. Raises ConfigError for a strategy that nobody knows.

    `running` are strategies of a run that is up.
    """
    entries = await log_of(bus, strategy, at_most)
    if not entries and strategy is not None and strategy not in running:
        await check_heard_of(bus, strategy, running)
    return entries


async def log_of(bus: Bus, strategy: str | None, at_most: int = ENTRIES_MAX) -> list[LogEntry]:
    """Return the newest `at_most` entries of a strategy, or of all, oldest first."""
    if strategy is None:
        deployed, policy = subjects.DEPLOYED, subjects.POLICY
        kept, audit = subjects.KEPT, subjects.AUDIT
    else:
        deployed, policy = subjects.deployed(strategy), subjects.policy(strategy)
        kept, audit = subjects.kept(strategy), subjects.audit(strategy)
    in_input, in_drift, in_audit = await asyncio.gather(
        recorded(bus, topology.INPUT, (deployed, policy)),
        recorded(bus, topology.DRIFT, (kept,)),
        recorded(bus, topology.AUDIT, (audit,)),
    )
    audits = {audited_id(_id_of(one)): one for one in in_audit}
    told = [*in_input, *in_drift]
    entries = [_entry(one, audits) for one in told]
    # What has no event of its own, a pin, is in the audit alone.
    events = {_id_of(one) for one in told}
    entries += [_of_audit(one) for name, one in audits.items() if name not in events]
    found = sorted((one for one in entries if one is not None), key=lambda one: one.ts)
    return found[-at_most:]


def _entry(one: Recorded, audits: dict[str, Recorded]) -> LogEntry | None:
    audited = audits.get(_id_of(one))
    audit = audited.event if audited is not None else None
    detail = audit.detail if isinstance(audit, Audit) else ""
    if isinstance(one.event, Policy):
        return _of_policy(one, one.event, detail)
    if isinstance(one.event, Deployment):
        is_kept = one.message.subject.startswith(subjects.KEPT.removesuffix(">"))
        return _of_deployment(one, one.event, detail, is_kept)
    return None


def _of_policy(one: Recorded, policy: Policy, detail: str) -> LogEntry:
    return LogEntry(
        one.message.time_ns,
        utc_time(one.message.time_ns),
        policy.strategy,
        None,
        policy.by,
        f"policy {policy.action}",
        "",
        policy.why,
        detail,
        policy.effective_ts,
        _id_of(one),
    )


def _of_deployment(one: Recorded, made: Deployment, detail: str, is_kept: bool) -> LogEntry:
    reason = str(made.verdict.get("reason", ""))
    requested = str(made.verdict.get("requested", ""))
    return LogEntry(
        one.message.time_ns,
        utc_time(one.message.time_ns),
        made.strategy,
        made.symbol,
        made.by or TRAINER,
        _did(made, reason, is_kept),
        made.version,
        made.why or ": ".join(filter(None, (requested, reason))),
        detail or f"before: {model_name(made.previous or '')}",
        made.effective_ts,
        made.request_id or "",
    )


def _did(made: Deployment, reason: str, is_kept: bool) -> str:
    if is_kept:
        return "kept"
    if made.share <= 0.0:
        return "canary ended"
    if made.share < 1.0:
        return f"canary {share_of_signals(made.share)}"
    if not made.digest:
        return "expire"
    return "rollback" if reason in ("rollback", "rolled_back") else "promote"


def _of_audit(one: Recorded) -> LogEntry | None:
    audit = one.event
    if not isinstance(audit, Audit):
        return None
    return LogEntry(
        one.message.time_ns,
        utc_time(one.message.time_ns),
        audit.strategy,
        audit.symbol,
        audit.by,
        audit.action,
        audit.version,
        audit.why,
        audit.detail,
        0,
        audited_id(_id_of(one)),
    )


def _id_of(one: Recorded) -> str:
    return one.message.headers.get(HEADER_ID, f"{one.message.subject}:{one.message.seq}")
