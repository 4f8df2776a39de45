"""The live view: a picture in a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from deploy.live_view import PLAIN_EVERY_S, LiveView
from deploy.tally import Tally
from streams import subjects
from streams.bus import Message
from streams.events import Deployment, Drift, Retrain


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def console_of(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=140, force_terminal=terminal, highlight=False)


def written(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_without_a_terminal_it_writes_a_line_now_and_then_and_each_event_once():
    console, clock, tally = console_of(terminal=False), Clock(), Tally(("alpha",))
    with LiveView(tally, 10, console, clock) as view:
        view.update(1)
        tally.take(Retrain("r", "alpha", None, "drift:slope", 0, "drift", 86_400_000_000_000))
        view.update(2)
        clock.now_s += PLAIN_EVERY_S
        view.update(4)
        clock.now_s += PLAIN_EVERY_S
        view.update(8)
    lines = written(console).splitlines()
    assert [line for line in lines if "retrain requested" in line] == [
        "1970-01-02 alpha: retrain requested by drift: drift:slope"
    ]
    progress = [line for line in lines if "instants" in line]
    assert len(progress) == 4
    assert "4/10 instants" in progress[1]
    assert "ETA 8 s" in progress[1]
    assert "\x1b" not in written(console)


def test_it_fits_into_80_columns_and_leaves_room_for_a_ctrl_c():
    name = "rsi2_mean_reversion"
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    tally = Tally((name,))
    tally.strategies[name].in_force = f"{name}-0123456789ab"
    tally.take(Drift(name, None, "detected", "ranking", "slope", 2e4, 1e4, 10, 1, 1e4, "m", 1))
    view = LiveView(tally, 1600, console)
    view.update(800)
    console.print(view.render())
    lines = written(console).splitlines()
    [row] = [line for line in lines if line.startswith(name)]
    assert row.split() == [name, "0", "0", "0", "0123456789ab", "detected", "200%"]
    [progress] = [line for line in lines if line.startswith("replay")]
    assert len(progress.rstrip()) < 76


@pytest.mark.parametrize("level", ["warning", "detected"])
def test_in_a_terminal_it_draws_strategies_models_drift_and_progress(level: str):
    console, tally = console_of(terminal=True), Tally(("alpha",))
    tally.strategies["alpha"].in_force = "alpha-1"
    tally.strategies["alpha"].policy = "observe"
    tally.take(Drift("alpha", None, level, "ranking", "slope", 5e3, 1e4, 10, 1, 1e4, "alpha-1", 1))
    with LiveView(tally, 10, console) as view:
        view.update(5)
        console.print(view.render())
    text = written(console)
    assert "1 (observe)" in text
    assert f"{level} 50%" in text
    assert "5/10" in text


def test_beside_a_canary_the_model_in_force_is_still_told_as_that():
    tally = Tally(("alpha",))
    for version, share in (("alpha-1", 1.0), ("alpha-2", 0.1), ("alpha-2", 0.0)):
        event = Deployment("alpha", None, version, "d" * 64, 1, None, {}, None, share)
        tally.take(event, Message(subjects.deployed("alpha"), b""))
    assert tally.strategies["alpha"].in_force == "alpha-1"
    assert [told.text for told in tally.told] == [
        "model alpha-1 deployed",
        "canary alpha-2 answers 0.1 of the signals",
        "canary alpha-2 ends",
    ]


def test_it_draws_before_anything_has_happened():
    console = console_of(terminal=True)
    console.print(LiveView(Tally(("alpha",)), 0, console).render())
    assert "quiet" in written(console)
