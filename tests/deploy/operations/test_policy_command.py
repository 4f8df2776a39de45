"""The kill switch: in force within one signal, audited, and only for strategies that there are."""

import asyncio
import json
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli import execute
from deploy.operations.kill_switch import order, standing_among, throw_switch
from deploy.operations.known_strategies import check_heard_of
from deploy.operations.operator import Operator, operator_of
from deploy.state import StateDir
from deploy.terminal_text import one_line
from engine.policies import Policies
from engine.roles.scorer import ScorerRole
from engine.settings import StrategySettings
from models.registry import Registry
from streams import codec, subjects, topology
from streams.clock import SystemClock
from streams.errors import ConfigError
from streams.events import TEXT_MAX, Audit, Deployment, Policy, Scored
from tests.engine.market import random_bars, signal_on
from tests.house import ROOT
from tests.simulation.stage import make_scorer, playing

ALPHA = StrategySettings(name="alpha", kind="external")
BAR = random_bars(count=1)[0]
OPS = Operator("ann", "exchange halted")
HEARD_OF = Deployment("alpha", None, "", "", 0, None, {})


async def stored(bus, stream, *wanted):
    subscription = await bus.read(stream, 1, wanted)
    found = []
    while batch := await subscription.next_batch(0.1):
        found += [codec.decode(message.payload) for message in batch]
    await subscription.close()
    return found


async def assay_beside(*arguments: str) -> tuple[int, str, str]:
    """Run a command as a process while this one's roles work."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def answers_to(bus, count: int) -> list[Scored]:
    subscription = await bus.read(topology.SCORED, 1, (subjects.SCORED, subjects.REJECTED))
    found: list[Scored] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += [codec.decode(m.payload) for m in await subscription.next_batch(1)]
    await subscription.close()
    return found


@pytest.mark.broker
@pytest.mark.timeout(120)
async def test_the_first_signal_after_the_command_is_answered_under_the_policy(broker, nats_bus):
    role = ScorerRole(
        nats_bus,
        make_scorer((ALPHA,)),
        registry=Registry(nats_bus),
        trusted_keys=(),
        clock=SystemClock(),
    )

    async def publish(signal_id: str) -> None:
        await nats_bus.publish(
            subjects.raw("alpha", BAR.symbol), codec.encode(signal_on(BAR, signal_id))
        )

    said = []
    async with playing([role]):
        await nats_bus.publish(subjects.bar("1d", BAR.symbol), codec.encode(BAR))
        await publish("s0")
        options = ("--why", "drill", "--by", "ann", "--nats", broker.url, "--json")
        status, out, err = await assay_beside("policy", "alpha", "block", *options)
        assert status == 0, err
        said.append(json.loads(out)["before"])
        await publish("s1")
        for signal_id, action in (("s2", "resume"), ("s3", "pass_through")):
            done = await throw_switch(broker.url, "alpha", action, Operator("ann", "drill"))
            said.append(msgspec.to_builtins(done.before))
            await publish(signal_id)
        answers = await answers_to(nats_bus, 4)
    found = {one.signal_id: (one.accepted, one.reasons[0]) for one in answers}
    assert found == {
        "s0": (True, "no_model"),
        "s1": (False, "policy:block"),
        "s2": (True, "no_model"),
        "s3": (True, "policy:pass_through"),
    }
    blocked = {"action": "block", "by": "ann", "why": "drill"}
    assert said == [None, blocked, None]
    audits = await stored(nats_bus, topology.AUDIT)
    assert [(a.action, a.by, a.why, a.detail) for a in audits] == [
        ("policy", "ann", "drill", "block, before: none"),
        ("policy", "ann", "drill", "resume, before: block"),
        ("policy", "ann", "drill", "pass_through, before: none"),
    ]


async def test_an_order_says_what_stood_before_it_and_two_operators_are_told_apart(memory_bus):
    first, second = await asyncio.gather(
        order(memory_bus, "alpha", "block", Operator("ann", "a")),
        order(memory_bus, "alpha", "observe", Operator("bob", "b")),
    )
    early, late = sorted((first, second), key=lambda one: one.input_seq)
    assert early.before is None
    assert late.before is not None
    assert (late.before.action, late.before.by) == (early.action, early.by)
    assert len(await stored(memory_bus, topology.INPUT, subjects.POLICY)) == 2
    assert {a.by for a in await stored(memory_bus, topology.AUDIT)} == {"ann", "bob"}


ORDERS = st.builds(
    Policy,
    st.just("alpha"),
    st.sampled_from(["observe", "pass_through", "block", "resume"]),
    st.sampled_from(["trainer", "ann", "bob"]),
    st.just("why"),
)


@given(st.lists(ORDERS, max_size=12))
def test_what_is_told_to_stand_is_what_the_scorer_goes_by(orders):
    policies = Policies()
    for one in orders:
        policies.add(one)
    standing = standing_among(orders)
    assert (standing.action if standing else None) == policies.in_force("alpha", 1)


async def test_a_strategy_is_known_by_its_model_or_its_signals(memory_bus):
    with pytest.raises(ConfigError, match="no other has a model either"):
        await check_heard_of(memory_bus, "alpha")
    await memory_bus.publish(subjects.raw("alpha", "AAA"), codec.encode(signal_on(BAR)))
    await check_heard_of(memory_bus, "alpha")
    await Registry(memory_bus).point(
        "rsi2_mean_reversion", None, "v", "d" * 64, effective_ts=1, expected=0
    )
    await check_heard_of(memory_bus, "rsi2_mean_reversion")
    with pytest.raises(ConfigError, match="nearest: 'rsi2_mean_reversion'"):
        await check_heard_of(memory_bus, "rsi2_mean_reversal")


@pytest.mark.broker
def test_a_mistyped_strategy_is_refused_and_blocks_nothing(broker, nats_bus, capsys):
    options = ("--why", "w", "--nats", broker.url)
    assert execute(["policy", "alfa", "block", *options]) == 2
    assert "'alfa' is not known: the broker holds no signal and" in capsys.readouterr().err
    configured = ("--config", "configs/quickstart.yaml")
    assert execute(["policy", "rsi2_mean_reversio", "block", *options, *configured]) == 2
    assert "nearest: 'rsi2_mean_reversion'" in capsys.readouterr().err
    assert execute(["policy", "rsi2_mean_reversion", "block", *options, *configured]) == 0
    told = capsys.readouterr().out
    assert "rsi2_mean_reversion: block by " in told
    assert "before: no policy" in told


@pytest.mark.broker
def test_the_strategies_of_a_run_are_known_before_their_first_signal(
    broker, nats_bus, tmp_path, capsys
):
    StateDir(tmp_path).write_url(broker.url, ("alpha", "beta"))
    options = ("--why", "w", "--state-dir", str(tmp_path))
    assert execute(["policy", "beta", "block", *options]) == 0
    assert execute(["policy", "bata", "block", *options]) == 2
    said = capsys.readouterr().err
    assert "'bata' is not known" in said
    assert "known: alpha, beta; nearest: 'beta'" in said


async def test_a_pointer_that_cannot_be_read_does_not_stand_in_the_way(memory_bus):
    await memory_bus.key_put(topology.BUCKET_MODELS, "pointer.alpha", b"\xff", expected=0)
    await check_heard_of(memory_bus, "alpha")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("alpha", "stop", "--why", "w"), "ACTION must be one of observe, pass_through, block"),
        (("alpha", "block", "--why", " \n "), "--why must say the reason"),
        (("alpha", "block"), "--why"),
        (("alpha", "block", "--why", "w", "--by", "Trainer"), "--by must name a person"),
        (("a\x1b[2Jb", "block", "--why", "w"), "printable characters, was 'a?[2Jb'"),
        (("x" * 300, "block", "--why", "w"), "STRATEGY must be 1 to 256"),
    ],
)
def test_what_cannot_be_an_order_is_refused_before_a_broker_is_asked(arguments, told, capsys):
    assert execute(["policy", *arguments, "--nats", "nats://127.0.0.1:1"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "\x1b" not in said


async def test_a_long_reason_is_cut_and_one_with_control_characters_is_made_plain(memory_bus):
    operator = operator_of("ann\x07", "halt\n\x1b[31mnow " + "x" * 5_000)
    assert operator.by == "ann?"
    assert operator.why.startswith("halt ?[31mnow xxx")
    assert len(operator.why) == TEXT_MAX
    await order(memory_bus, "alpha", "block", operator)
    (audit,) = await stored(memory_bus, topology.AUDIT)
    assert isinstance(audit, Audit)
    assert audit.why == operator.why


def test_who_orders_is_the_user_of_the_system_unless_told(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "carol")
    assert operator_of(None, "w").by == "carol"
    assert operator_of("dan", "w").by == "dan"

    def nameless() -> str:
        raise KeyError(1000)

    monkeypatch.setattr("getpass.getuser", nameless)
    assert operator_of(None, "w").by == "unknown"


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_line_for_a_terminal_is_one_line_within_its_bound(text, at_most):
    line = one_line(text, at_most)
    assert len(line) <= at_most
    assert line.isprintable()
