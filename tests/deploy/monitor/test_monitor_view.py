"""The picture in a terminal: it says what is known, and fits whatever window there is."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from deploy.monitor.event_words import event_line
from deploy.monitor.judged_outcomes import NOTHING
from deploy.monitor.monitor_view import picture_view
from deploy.monitor.picture import (
    DetectorLine,
    EventLine,
    ModelLine,
    Picture,
    Scores,
    StrategyPicture,
)
from deploy.monitor.strategy_words import note_words
from deploy.survey import RoleLine
from streams.bus import Message
from streams.events import Audit, Deployment, Drift, Policy, Retrain
from tests.deploy.monitor.storied_run import DAY_NS, START_NS
from trainers.evaluation.figure import Figure

SCORES = Scores(
    outcomes=812,
    auc=Figure(0.583, 0.02, 0.541, 0.625),
    expected=0.52,
    observed=Figure(0.48, 0.02, 0.44, 0.52),
    miss=Figure(-0.04, 0.021, -0.08, 0.0),
    ece=0.051,
    ece_perfect=0.032,
    ece_perfect_95=0.046,
)
EMPTY = Picture("nats://h:1", 0, (), (), (), "all outcomes")


def detector(share: float = 0.45, level: str = "") -> DetectorLine:
    return DetectorLine("slope", "ranking", share * 1e4, 1e4, share, level)


def strategy(name: str = "alpha", **changes) -> StrategyPicture:
    model = f"{name}-0123456789ab"
    one = StrategyPicture(
        strategy=name,
        model=model,
        models=(ModelLine(model, None, "in_force", 1.0, START_NS, 34 * 86_400.0),),
        policy="",
        policy_why="",
        scores=SCORES,
        has_reference=True,
        detectors=(detector(),),
        changepoint_ts=0,
        outcomes_since_change=0,
        outcomes_since_alarm=812,
        last_alarm_ts=None,
        requests_waiting=0,
    )
    return replace(one, **changes)


def drawn(picture: Picture, width: int = 160, height: int | None = None, **options) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(picture_view(picture, width=width, height=height, **options))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def with_strategies(*found: StrategyPicture) -> Picture:
    return replace(EMPTY, event_ts=START_NS, strategies=found)


def test_an_empty_broker_is_told_as_such():
    text = "\n".join(drawn(EMPTY, 80))
    assert "no role has made progress yet" in text
    assert "no strategy has a model, an outcome or an event yet" in text
    assert "nothing has happened yet" in text


@pytest.mark.parametrize("width", [80, 160])
def test_a_strategy_is_told_with_model_skill_calibration_and_drift(width: int):
    text = "\n".join(drawn(with_strategies(strategy()), width))
    assert "0123456789ab in force since 2020-01-01 (34 d)" in text
    assert "AUC 0.583 [0.541, 0.625] of 812 outcomes" in text
    assert "hit rate 48.0%, expected 52.0%: -4.0% ± 2.1%" in text
    assert "calibration error 0.051; a perfect model's 0.032, 1 in 20 above 0.046" in text
    assert "4,500 of 10,000" in text
    cells = 20 if width == 80 else 40
    assert "█" * round(0.45 * cells) + "░" * round(0.55 * cells) + "   45%" in text
    assert "no alarm in 812 outcomes" in text


def test_what_is_not_known_is_a_dash_with_its_reason():
    one = strategy(model="", models=(), scores=NOTHING, detectors=())
    text = "\n".join(drawn(with_strategies(one), 80))
    assert "no model in force" in text
    assert "AUC - (there are no outcomes)" in text
    assert "drift: no model is watched yet" in text


def test_canary_shadows_policy_alarm_and_requests_are_told():
    models = (
        *strategy().models,
        ModelLine("alpha-canary", None, "canary", 0.1, START_NS, 0.0),
        *(ModelLine(f"alpha-s{n}", None, "shadow", 0.0, 0, None) for n in range(5)),
    )
    one = strategy(
        models=models,
        policy="observe",
        policy_why="looks odd",
        requests_waiting=2,
        last_alarm_ts=START_NS,
        outcomes_since_alarm=31,
        changepoint_ts=START_NS - DAY_NS,
        outcomes_since_change=44,
        detectors=(detector(2.0, "detected"), DetectorLine("k", "inputs", 1.0, 0.0, None, "")),
    )
    text = "\n".join(drawn(with_strategies(one), 200))
    assert "policy observe: looks odd" in text
    assert "canary canary 0.1; shadow s0, s1, s2 and 2 more; 2 requests waiting" in text
    assert "changed on 2019-12-31, 44 outcomes to learn from" in text
    assert "31 outcomes since the alarm of 2020-01-01" in text
    assert "█" * 40 + "  200%  detected" in text
    assert note_words(one) == (
        "observe; canary canary 0.1; 2 requests waiting; 31 outcomes since the alarm"
    )


@pytest.mark.parametrize("others", [0, 4])
def test_what_others_wrote_is_neither_obeyed_nor_taken_for_markup(others: int):
    evil = strategy(
        "al\x1b[2Jpha",
        model="al\x1b[2Jpha-[/x][red]",
        policy="block",
        policy_why="odd\x1b]0;title\x07\nsecond line",
        detectors=(detector(3.0, "detected"),),
    )
    found = with_strategies(evil, *(strategy(f"quiet_{n}") for n in range(others)))
    event = EventLine(START_NS, 0, "al\x9bpha", "policy", "block: \x1b[31mred\nline [b]bold[/b]")
    lines = drawn(replace(found, events=(event,)), 160)
    assert not any(char in "\n".join(lines) for char in "\x1b\x07\x9b")
    text = " ".join(lines)
    assert "al?[2Jpha" in text
    assert "[/x][red]" in text
    assert "block: ?[31mred line [b]bold[/b]" in text
    assert others or "policy block: odd?]0;title? second line" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (40, 12), (160, 50), (80, 10)])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 50])
def test_it_fits_the_window_however_many_strategies_there_are(width, height, count):
    found = [strategy(f"strategy_with_a_long_name_{n:02d}") for n in range(count)]
    roles = tuple(
        RoleLine("scorer", n, 12, START_NS, "2020-01-01T00:00:00+00:00", 1, n, 60.0 * n)
        for n in range(12)
    )
    events = tuple(EventLine(START_NS, 0, "alpha", "drift", "words " * 40) for _ in range(30))
    picture = replace(with_strategies(*found), roles=roles[: height // 5], events=events)
    lines = drawn(picture, width, height)
    assert max(map(len, lines)) <= width
    # Where not even the least fits, the window cuts the end off.
    assert len(lines) <= max(height, 18)


def test_of_many_strategies_those_that_need_a_look_are_shown_and_the_others_counted():
    quiet = [strategy(f"quiet-{n:02d}") for n in range(48)]
    warned = strategy("warned", detectors=(detector(0.2, "warning"),))
    dying = strategy("dying", detectors=(detector(0.1, "detected"),))
    lines = drawn(with_strategies(*quiet, warned, dying), 80, 24)
    names = [line.split()[0] for line in lines if line.startswith(("quiet", "warned", "dying"))]
    assert names[:3] == ["dying", "warned", "quiet-00"]
    assert f"… {50 - len(names)} more, all quieter" in "\n".join(lines)
    assert len(drawn(with_strategies(*quiet, warned, dying), 80)) > 50


def test_a_terminal_without_unicode_gets_plain_bars():
    text = "\n".join(drawn(with_strategies(strategy()), 80, ascii_only=True))
    assert "#" * 9 + "-" * 11 in text
    assert "█" not in text


def test_names_that_look_like_markup_are_names():
    lines = drawn(with_strategies(*(strategy(f"[red]{n}") for n in range(5))), 160)
    assert [line.split()[0] for line in lines if line.startswith("[red]")] == [
        f"[red]{n}" for n in range(5)
    ]


@pytest.mark.parametrize(
    ("subject", "event", "kind", "text"),
    [
        (
            "drift.a",
            Drift("a", None, "detected", "ranking", "slope", 2e4, 1e4, 150, START_NS, 1e4, "m", 1),
            "drift",
            "drift detected (ranking, slope): 20,000 of 10,000 after 150 outcomes, "
            "since 2020-01-01",
        ),
        (
            "drift.a",
            Drift("a", None, "recovered", "ranking", "slope", 0, 0, 1, 1, 0, "m", 1),
            "drift",
            "drift recovered (ranking, slope)",
        ),
        (
            "drift.a",
            Drift("a", "S", "detected", "skew", "x", 0, 0, 1, 1, 0, "m", 1, "rsi_2 at 3"),
            "drift",
            "skew detected on S: rsi_2 at 3",
        ),
        (
            "models.retrain.a",
            Retrain("r", "a", None, "drift:slope", 1, "drift", 1),
            "retrain",
            "retrain asked for by drift: drift:slope",
        ),
        (
            "models.deployed.a",
            Deployment("a", None, "a-1", "d", 1, None, {"reason": "better"}),
            "deployed",
            "1 in force: better than null and what was in force",
        ),
        (
            "models.deployed.a",
            Deployment("a", "S", "a-1", "d", 1, None, {}, None, 0.1, "ann", "to see"),
            "deployed",
            "canary 1 answers 0.1 of the signals for S by ann: to see",
        ),
        (
            "models.deployed.a",
            Deployment("a", None, "a-1", "d", 1, None, {}, None, 0.0),
            "deployed",
            "canary 1 ended",
        ),
        (
            "models.deployed.a",
            Deployment("a", None, "a-0", "d", 1, "a-1", {"reason": "rolled_back"}),
            "deployed",
            "rolled back to 0: the one before is better after all",
        ),
        (
            "models.deployed.a",
            Deployment("a", None, "", "", 1, "a-1", {"reason": "not_better_than_null"}),
            "deployed",
            "the null model in force: not better than the null model",
        ),
        (
            "models.kept.a",
            Deployment("a", None, "a-2", "d", 1, "a-1", {"reason": "too_few_outcomes"}),
            "kept",
            "2 not deployed: too few outcomes to judge",
        ),
        (
            "models.kept.a",
            Deployment("a", None, "constant", "", 1, "a-1", {"reason": "too_few_samples"}),
            "kept",
            "1 stays: too few samples to train",
        ),
        (
            "models.kept.a",
            Deployment("a", None, "constant", "", 1, None, {"reason": "nothing_in_shadow"}),
            "kept",
            "no model deployed: nothing was in the shadow to review",
        ),
        (
            "models.deployed.a",
            Deployment("a", None, "constant", "", 1, "a-1", {}, "r", 1.0, "ann", "odd"),
            "deployed",
            "the null model in force by ann: odd",
        ),
        ("policy.a", Policy("a", "block", "ann", "", 5), "policy", "policy block by ann"),
        (
            "policy.a",
            Policy("a", "observe", "trainer", "drift:slope: not_better_than_null", 5),
            "policy",
            "policy observe by trainer: drift:slope: not better than the null model",
        ),
        (
            "audit.a",
            Audit("a", None, "pin", "a-1", "ann", "while I look", 7),
            "audit",
            "pin 1 by ann: while I look",
        ),
    ],
)
def test_what_happened_is_said_in_words(subject: str, event, kind: str, text: str):
    line = event_line(event, Message(subject, b"", 1, 99))
    assert line is not None
    assert (line.kind, line.text, line.strategy) == (kind, text, "a")


def test_what_is_an_event_of_its_own_is_not_told_of_the_audit_again():
    audit = Audit("a", None, "promote", "a-1", "ann", "why", 7)
    assert event_line(audit, Message("audit.a", b"")) is None
