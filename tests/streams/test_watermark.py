"""The watermark of a role is its slowest shard's, however often their number changes."""

import hypothesis.strategies as st
from hypothesis import given

from streams.events import Progress
from streams.subjects import SHARDS
from streams.watermark import Watermark


def noted(*words: tuple[int, int, int, int]) -> Watermark:
    """Words are (shard, shards, event_ts, seq)."""
    watermark = Watermark()
    for shard, shards, event_ts, seq in words:
        watermark.note(Progress("scorer", shard, event_ts, seq, shards))
    return watermark


def standing(*words: tuple[int, int, int, int]) -> tuple[int, int]:
    watermark = noted(*words)
    return watermark.event_ts, watermark.seq


def test_one_shard_is_its_own_watermark():
    assert standing() == (0, 0)
    assert standing((0, 1, 50, 7), (0, 1, 60, 9)) == (60, 9)


def test_the_slowest_of_several_holds_time_and_position_each_on_its_own():
    assert standing((0, 2, 50, 7)) == (0, 0)
    assert standing((0, 2, 50, 7), (1, 2, 40, 9)) == (40, 7)


def test_an_older_word_changes_nothing():
    assert standing((0, 1, 50, 7), (0, 1, 40, 6)) == (50, 7)


def test_a_shard_of_a_new_generation_stands_where_the_old_one_stood_until_it_speaks():
    grown = [(0, 1, 50, 7), (0, 2, 90, 20)]
    assert standing(*grown) == (50, 7)
    assert standing(*grown, (1, 2, 30, 4)) == (50, 7)
    assert standing(*grown, (1, 2, 30, 4), (1, 2, 80, 15)) == (80, 15)


def test_a_shard_that_went_with_a_larger_generation_holds_nobody():
    before = [(shard, 4, 10, 3) for shard in range(3)]
    assert standing(*before, (0, 2, 50, 7), (1, 2, 60, 9)) == (50, 7)


def test_the_newest_word_says_how_many_share_the_role():
    assert noted((0, 4, 1, 1), (1, 2, 1, 1)).shards == 2


def test_a_shard_that_cannot_be_is_left_out():
    assert standing((0, 1, 50, 7), (1, 1, 90, 9), (-1, 1, 90, 9), (0, 0, 90, 9)) == (50, 7)
    assert standing((0, SHARDS + 1, 90, 9), (0, 2**62, 90, 9)) == (0, 0)


NUMBERS = st.integers(0, 1_000)
WORDS = st.lists(
    st.integers(1, 4).flatmap(
        lambda shards: st.tuples(st.integers(0, shards - 1), st.just(shards), NUMBERS, NUMBERS)
    ),
    max_size=40,
)


@given(WORDS)
def test_it_never_goes_back(words):
    steps = [standing(*words[:count]) for count in range(len(words) + 1)]
    assert steps == [(max(ts for ts, _ in steps[: n + 1]), max(seq for _, seq in steps[: n + 1]))
                     for n in range(len(steps))]  # fmt: skip


@given(WORDS)
def test_no_generation_is_taken_to_be_further_than_its_slowest_shard(words):
    def best(column: int) -> int:
        generations = [
            [
                max((w[column] for w in words if w[:2] == (shard, n)), default=0)
                for shard in range(n)
            ]
            for n in range(1, 5)
        ]
        return max(min(marks) for marks in generations)

    assert standing(*words) == (best(2), best(3))


@given(WORDS, st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_arrival(words, rng):
    shuffled = list(words)
    rng.shuffle(shuffled)
    assert standing(*shuffled) == standing(*words)


def test_the_position_in_input_is_the_slowest_shards_as_well():
    watermark = noted((0, 2, 5, 7))
    watermark.note(Progress("labeller", 0, 50, 7, 2, input_seq=30))
    assert watermark.input_seq == 0
    watermark.note(Progress("labeller", 1, 40, 9, 2, input_seq=20))
    assert watermark.input_seq == 20
