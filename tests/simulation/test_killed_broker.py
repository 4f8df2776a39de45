"""The broker is killed again and again; what it had acked is stored, and answered once.

`durability: process`: what was acked outlives the death of any process, that of the server too.
It need not outlive the machine (`durability: power`).
"""

import random

import pytest

from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from engine.labeller import Labeller
from engine.replays.rerun import Rerun
from engine.replays.verifier import verify
from engine.roles.labeller import LabellerRole
from engine.roles.strategies import StrategiesRole
from engine.strategist import Strategist
from tests.simulation.chaos import CONFIG, Chaos, kills_of
from tests.simulation.chaos_load import BLOCK_ANSWERS
from tests.simulation.recorded import scorers_over

BLOCKS_PER_KILL = 4
ROLES = ("strategies", "scorer", "labeller")
WITH_STRATEGIES = f"""{CONFIG}
  - name: rsi2_mean_reversion
    params: {{trend_ma: 0, entry: 20.0}}
"""


@pytest.mark.broker
async def test_kill_9_of_the_broker_under_load_leaves_every_acked_input_answered(tmp_path):
    await broker_killed(tmp_path, kills_of(2))


@pytest.mark.broker
@pytest.mark.slow
async def test_kill_9_of_the_broker_again_and_again_leaves_every_acked_input_answered(tmp_path):
    await broker_killed(tmp_path, kills_of(20))


async def broker_killed(folder, kills: int) -> None:
    chaos = Chaos(folder, WITH_STRATEGIES)
    async with chaos.running(blocks=kills * BLOCKS_PER_KILL):
        commands = role_commands(ROLES, chaos.config, (), chaos.broker.url, chaos.state)
        roles = [
            RoleProcess(name, command, chaos.state.logs / f"{name}.log")
            for name, command in commands.items()
        ]
        for role in roles:
            await role.start()
        for role in roles:
            assert await role.wait_ready(), role.last_words()
        for point, is_reached in kill_points(chaos.rng, kills):
            await chaos.answered(point)
            if is_reached:
                await chaos.until(lambda: chaos.is_connected, "everybody is connected again")
            await chaos.kill_broker()
        await chaos.all_is_answered()
        # They lived through it, each in one life.
        assert [role.role for role in roles if not role.running] == []
        for role in roles:
            await role.stop()
        await chaos.check()
        await check_what_follows(chaos)


def kill_points(rng: random.Random, kills: int) -> list[tuple[int, bool]]:
    """After how many stored answers the broker is killed; some kills follow at once upon another.

    True: not before those it serves have come back, who then are about to send again.
    """
    points: list[int] = []
    while len(points) < kills:
        point = rng.randrange(BLOCK_ANSWERS, kills * BLOCKS_PER_KILL * BLOCK_ANSWERS)
        points += [point] * rng.choice((1, 1, 1, 2))
    return [(point, rng.random() < 0.7) for point in sorted(points[:kills])]


async def check_what_follows(chaos: Chaos) -> None:
    """The strategies' signals and the outcomes are what undisturbed roles say to this INPUT."""
    bus, strategies = chaos.bus, chaos.settings.strategies
    [scorer] = scorers_over([bus], (chaos.key.public_hex,), strategies)
    rerun = Rerun(
        StrategiesRole(bus, Strategist(strategies)),
        scorer,
        LabellerRole(bus, Labeller(strategies, waits_for_scorer=True)),
    )
    found = await verify(bus, rerun)
    lines = {line.stream: line for line in found.verdict.streams}
    print(*lines.values(), sep="\n")
    assert found.verdict.equal, f"CHAOS_SEED={chaos.seed}: {found.verdict.first}"
    for line in lines.values():
        assert line.equal > 0, line
        assert (line.missing, line.extra, line.repeated, line.pending) == (0, 0, 0, 0), (
            chaos.seed,
            line,
        )
