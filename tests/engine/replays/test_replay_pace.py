"""A replay runs ahead of its roles by what its four rules allow, and no further."""

import pytest

from engine.bar_book import AS_OF_BARS_MAX
from engine.replays.replay_pace import BATCHES_BEHIND_MAX, BYGONE_BARS_MAX, MARK_BARS, Pace
from streams.events import Progress
from streams.watermark import Watermark


def paced(*roles: str, delay_ns: int | None = None) -> tuple[Pace, dict[str, Watermark]]:
    watermarks = {role: Watermark() for role in roles}
    return Pace(watermarks, delay_ns), watermarks


def word(watermark: Watermark, event_ts: int = 0, seq: int = 0) -> None:
    watermark.note(Progress("any", 0, event_ts, seq))


def may_go(pace: Pace, last_ts: int, depth: int) -> bool:
    return pace.goal(last_ts, depth) is None


def test_bars_beyond_the_ring_wait_for_the_strategies_answers():
    pace, watermarks = paced("strategies")
    assert may_go(pace, 1, AS_OF_BARS_MAX)
    pace.publish(1, 100)
    pace.mark(7)
    assert may_go(pace, 2, AS_OF_BARS_MAX - 100)
    assert not may_go(pace, 2, AS_OF_BARS_MAX - 99)
    word(watermarks["strategies"], seq=6)
    assert not may_go(pace, 2, AS_OF_BARS_MAX)
    word(watermarks["strategies"], seq=7)
    assert may_go(pace, 2, AS_OF_BARS_MAX)


def test_event_time_alone_answers_nothing():
    pace, watermarks = paced("strategies")
    pace.publish(1, AS_OF_BARS_MAX)
    pace.mark(7)
    word(watermarks["strategies"], event_ts=2**40)
    assert not may_go(pace, 2, 1)


def test_bars_whose_position_is_not_known_yet_count_as_unanswered():
    pace, watermarks = paced("strategies")
    pace.publish(1, 1)
    assert not pace.is_mark_due(1)
    assert pace.is_mark_due(0)
    for ts in range(2, MARK_BARS + 1):
        pace.publish(ts, 1)
    assert pace.is_mark_due(1)
    word(watermarks["strategies"], seq=99)
    assert may_go(pace, 50, AS_OF_BARS_MAX - MARK_BARS)
    assert not may_go(pace, 50, AS_OF_BARS_MAX - MARK_BARS + 1)
    pace.mark(99)
    assert may_go(pace, 50, AS_OF_BARS_MAX)


def test_no_batch_waits_for_bars_of_whose_answers_nobody_would_be_told():
    pace, watermarks = paced("strategies")
    pace.publish(1, MARK_BARS - 1)
    assert not pace.is_mark_due(AS_OF_BARS_MAX - MARK_BARS + 1)
    assert pace.is_mark_due(AS_OF_BARS_MAX - MARK_BARS + 2)
    pace.mark(7)
    word(watermarks["strategies"], seq=7)
    assert may_go(pace, 2, AS_OF_BARS_MAX)


def test_without_a_strategies_role_there_are_no_answers_to_wait_for():
    pace, _ = paced("scorer")
    pace.publish(1, AS_OF_BARS_MAX)
    pace.mark(7)
    assert may_go(pace, 2, AS_OF_BARS_MAX)


def test_no_role_is_left_further_behind_than_there_is_room_for():
    pace, watermarks = paced("scorer", "labeller")
    for ts in range(1, BATCHES_BEHIND_MAX + 1):
        assert may_go(pace, ts, 1)
        pace.publish(ts, 1)
    word(watermarks["scorer"], event_ts=1)
    assert not may_go(pace, 100, 1)
    word(watermarks["labeller"], event_ts=1)
    assert may_go(pace, 100, 1)


@pytest.mark.parametrize(
    ("last_ts", "vouched_ts", "goes"),
    [(30, 9, False), (30, 10, True), (25, 4, False), (25, 5, True), (90, 9, False), (90, 10, True)],
)
def test_what_takes_effect_after_a_delay_is_waited_for_as_far_as_can_be(last_ts, vouched_ts, goes):
    pace, watermarks = paced("drift", delay_ns=20)
    pace.publish(10, 1)
    pace.publish(20, 1)
    word(watermarks["drift"], event_ts=vouched_ts)
    assert may_go(pace, last_ts, 1) == goes


def test_bars_of_a_time_gone_by_settle_before_the_labeller_would_forget():
    pace, watermarks = paced("labeller")
    word(watermarks["labeller"], event_ts=50)
    pace.publish(10, BYGONE_BARS_MAX - 1)
    assert not pace.is_settling_due(20, 1)
    assert pace.is_settling_due(20, 2)
    assert not pace.is_settling_due(51, 2)
    pace.mark(7)
    pace.publish(20, 1)
    pace.settle()
    assert not pace.is_settling_due(50, BYGONE_BARS_MAX - 1)
    assert pace.is_settling_due(50, BYGONE_BARS_MAX)


def test_events_without_bars_move_nobodys_time():
    pace, _ = paced("drift", delay_ns=5)
    for ts in (10, 20):
        pace.publish(ts, 0)
    assert may_go(pace, 30, 1)
