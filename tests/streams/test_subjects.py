"""Subjects: any name becomes one token, and comes back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import subjects, topology
from streams.wildcard import check_subject, matches

NAMES = st.text(min_size=1, max_size=40)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@given(NAMES)
def test_every_name_comes_back_from_its_token(name: str):
    token = subjects.token(name)
    assert re.fullmatch(r"[A-Za-z0-9%-][A-Za-z0-9_%-]*", token)
    assert subjects.name_of(token) == name


@given(NAMES, NAMES)
def test_two_names_never_share_a_token(one: str, two: str):
    assert (subjects.token(one) == subjects.token(two)) == (one == two)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK%2EB"),
        ("BTC/USDT", "BTC%2FUSDT"),
        ("_frame", "%5Fframe"),
        ("a_b-c", "a_b-c"),
        ("ES=F", "ES%3DF"),
        ("*", "%2A"),
        (">", "%3E"),
        ("ä~", "%C3%A4%7E"),
        ("50%", "50%25"),
    ],
)
def test_tokens_are_what_other_languages_will_compute(name: str, token: str):
    assert subjects.token(name) == token


def test_an_empty_name_has_no_token():
    with pytest.raises(ValueError, match="at least one character"):
        subjects.token("")


def test_no_symbol_can_pass_for_a_frame():
    assert subjects.bar("1d", subjects.FRAME) != subjects.frame("1d")


@given(NAMES)
def test_a_symbol_has_one_shard_of_64(name: str):
    assert 0 <= subjects.shard_of(name) < subjects.SHARDS


def test_shards_are_what_other_languages_will_compute():
    assert [subjects.shard_of(name) for name in ("AAPL", "BRK.B", "BTC/USDT")] == [28, 4, 62]


@given(NAMES, NAMES)
def test_every_subject_that_is_published_belongs_to_exactly_one_stream(one: str, two: str):
    published = [
        subjects.bar(one, two),
        subjects.frame(one),
        subjects.reset(one),
        subjects.raw(one, two),
        subjects.expire(one, two),
        subjects.scored(one, two),
        subjects.rejected(one, two),
        subjects.trade(one, two),
        subjects.outcome(one, two),
        subjects.drift(one),
        subjects.retrain(one),
        subjects.deployed(one),
        subjects.kept(one),
        subjects.policy(one),
        *(subjects.progress(role, 3) for role in ("strategies", "scorer", "labeller", "drift")),
        subjects.progress("trainer", 0),
    ]
    published.append(subjects.dead_letter(subjects.raw(one, two)))
    for subject in published:
        assert check_subject(subject) == subject
        homes = [
            spec.name
            for spec in topology.STREAMS
            if any(matches(pattern, subject) for pattern in spec.subjects)
        ]
        assert len(homes) == 1, f"{subject} is held by {homes}"


def test_the_plain_subject_is_held_by_no_stream():
    patterns = [pattern for spec in topology.STREAMS for pattern in spec.subjects]
    assert not any(matches(pattern, subjects.SCORED_PLAIN) for pattern in patterns)


@given(PATTERNS, st.booleans(), PATHS)
def test_wildcards_match_as_a_regular_expression_of_tokens(
    pattern: list[str], tail: bool, path: list[str]
):
    text = ".".join([*pattern, ">"] if tail else pattern)
    expression = r"\.".join("[abc]" if token == "*" else token for token in pattern)
    expression += r"(\.[abc])+" if tail else ""
    subject = ".".join(path)
    assert matches(text, subject) == bool(re.fullmatch(expression, subject))


@given(st.text(min_size=1, max_size=2_000))
def test_a_dead_letter_of_any_subject_can_be_published(original: str):
    letter = subjects.dead_letter(original)
    assert check_subject(letter) == letter
    assert letter.isascii()
    assert matches(subjects.DLQ, letter)
    assert len(letter) <= subjects.SUBJECT_CHARS_MAX


def test_a_name_too_long_for_a_server_is_cut_to_a_token_of_its_own():
    long, other = "\U0001f4a5" * 256, "\U0001f4a5" * 255
    assert len(subjects.token(long)) == subjects.TOKEN_CHARS_MAX
    assert subjects.token(long) != subjects.token(other)
    assert len(subjects.scored(long, long)) < subjects.SUBJECT_CHARS_MAX
