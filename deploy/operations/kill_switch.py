"""The kill switch, thrown by a person: an order in INPUT, and who gave it in AUDIT."""

from collections.abc import Collection, Iterable
from uuid import uuid4

import msgspec

from deploy.connection import connect
from deploy.operations.auditing import record
from deploy.operations.known_strategies import check_configured, check_heard_of, check_name
from deploy.operations.operator import Operator
from deploy.operations.recorded import recorded
from engine.policies import RESUME, TRAINER
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.clock import SystemClock
from streams.errors import ConfigError
from streams.events import Audit, Policy
from streams.validation import POLICY_ACTIONS

AUDITED_AS = "policy"
NOT_BEGUN = "one that has not begun is known by its --config"


class Standing(msgspec.Struct, frozen=True):
    """A policy in force: the action, who ordered it and why."""

    action: str
    by: str
    why: str


class Ordered(msgspec.Struct, frozen=True):
    """What was ordered, at which place of INPUT it stands, and what stood before."""

    strategy: str
    action: str
    by: str
    why: str
    input_seq: int
    before: Standing | None


async def throw_switch(
    url: str,
    strategy: str,
    action: str,
    operator: Operator,
    configured: Collection[str] | None = None,
    running: Collection[str] = (),
) -> Ordered:
    """Order `action` for `strategy` at the broker `url`; it counts for every signal after it.

    The name is checked against `configured`, or else against what the broker holds; `running` are
    names that were configured when it was started. Raises
    ConfigError for a name or an action that there is not, BusError unless the order is stored.
    """
    check_action(action)
    check_name(strategy)
    if configured is not None:
        check_configured(strategy, configured)
    bus = await connect(url, "assay-policy")
    try:
        if configured is None:
            await check_heard_of(bus, strategy, running, NOT_BEGUN)
        return await order(bus, strategy, action, operator)
    finally:
        await bus.close()


async def order(bus: Bus, strategy: str, action: str, operator: Operator) -> Ordered:
    """Publish the order, then its audit with what stood before it."""
    policy = Policy(strategy, action, operator.by, operator.why)
    order_id = f"policy:{uuid4().hex}"
    subject = subjects.policy(strategy)
    seq = await bus.publish(subject, codec.encode(policy), msg_id=order_id)
    orders = [
        one.event
        for one in await recorded(bus, topology.INPUT, (subject,))
        if one.message.seq < seq and isinstance(one.event, Policy)
    ]
    before = standing_among(orders)
    was = before.action if before is not None else "none"
    audit = Audit(
        strategy=strategy,
        symbol=None,
        action=AUDITED_AS,
        version="",
        by=operator.by,
        why=operator.why,
        ts=SystemClock().now_ns(),
        detail=f"{action}, before: {was}",
    )
    await record(bus, audit, order_id)
    return Ordered(strategy, action, operator.by, operator.why, seq, before)


def check_action(action: str) -> None:
    """Raise ConfigError unless `action` is one of POLICY_ACTIONS."""
    if action not in POLICY_ACTIONS:
        raise ConfigError(f"ACTION must be one of {', '.join(POLICY_ACTIONS)}, was {action!r}")


def standing_among(orders: Iterable[Policy]) -> Standing | None:
    """Return what is in force after `orders` of one strategy, by the rule of `engine.policies`."""
    for order_ in counting_among(orders):
        if order_.action != RESUME:
            return Standing(order_.action, order_.by, order_.why)
    return None


def counting_among(orders: Iterable[Policy]) -> tuple[Policy, ...]:
    """Return those of `orders` that later ones leave in place: a person's, then the trainer's."""
    people, trainer = None, None
    for one in orders:
        if one.action not in POLICY_ACTIONS:
            continue
        if one.by == TRAINER:
            trainer = one
        else:
            people = one
            trainer = None if one.action == RESUME else trainer
    return tuple(one for one in (people, trainer) if one is not None)
