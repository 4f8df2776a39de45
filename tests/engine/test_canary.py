"""A canary answers its share of the signals beside the model in force."""

import subprocess
import sys
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import deployments
from engine.canaries import CANARIES_KEPT, is_chosen
from engine.labeller import Labeller
from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.input_guard import InputGuard
from models.onnx_session import load_model
from models.settings import MlSettings
from models.vector import vector_names
from streams.errors import ModelRefused
from streams.events import Deployment, Policy, Scored, Trade
from streams.session import session
from tests.engine.labelling import EXTERNAL, answered, bar, outcomes
from tests.engine.market import DAY_NS, random_bars, signal_on
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact

FEATURES = load_feature_set()
DIGESTS = {"champion": "c" * 64, "canary": "a" * 64, "other": "b" * 64}
BARS = random_bars(count=60)
SYMBOL = "AAA"


def loaded(weight: float, guard: InputGuard | None = None, feature: str = "ibs"):
    artifact = tiny_artifact(
        (feature, "signal_score"), (weight, 1.0), -1.0, strategy="alpha", input_guard=guard
    )
    names = vector_names(FEATURES.names, ())
    return load_model(artifact, names, trusted_keys=(TEST_SIGNER.public_hex,))


@pytest.fixture(scope="module")
def models():
    return {DIGESTS[name]: loaded(w) for w, name in enumerate(("champion", "canary", "other"))}


def deployed(version: str, share: float = 1.0, effective_ts: int = 0, symbol: str | None = None):
    return Deployment("alpha", symbol, version, DIGESTS[version], effective_ts, None, {}, "", share)


def make_scorer(**ml: object) -> Scorer:
    settings = StrategySettings(name="alpha", kind="external", ml=MlSettings(**ml))  # type: ignore[arg-type]
    scorer = Scorer((settings,), FEATURES, session("us_equity"))
    for each in BARS:
        scorer.step(each)
    return scorer


def scorer_with(models, *events: Deployment, **ml: object) -> Scorer:
    scorer = make_scorer(**ml)
    for event in events:
        assert scorer.deploy(event, models[event.digest]) == []
    return scorer


def answers(scorer: Scorer, ids, at: int = -1) -> list[Scored]:
    return [a.event for n in ids for a in scorer.step(signal_on(BARS[at], n))]


def ids(count: int, prefix: str = "s") -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


@given(st.sampled_from([0.01, 0.1, 0.25, 0.5]), st.sampled_from(["s{}", "rsi2:AAPL:{}", "{}"]))
def test_the_share_that_is_chosen_is_the_share_that_was_asked_for(share, pattern):
    count = 20_000
    chosen = sum(is_chosen(pattern.format(n), share) for n in range(count))
    # Five standard deviations of a fair draw.
    assert abs(chosen - count * share) <= 5.0 * (count * share * (1.0 - share)) ** 0.5


def test_who_is_chosen_says_nothing_of_who_is_chosen_next():
    chosen = [is_chosen(f"s{n}", 0.5) for n in range(20_000)]
    repeats = sum(a == b for a, b in pairwise(chosen))
    assert abs(repeats - 10_000) < 5 * 0.5 * 20_000**0.5


def test_the_choice_is_the_same_in_another_process_whatever_its_hash_seed():
    code = (
        "from engine.canaries import is_chosen;"
        "print(''.join(str(int(is_chosen(f's{n}', .3))) for n in range(200)))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    here = "".join(str(int(is_chosen(f"s{n}", 0.3))) for n in range(200))
    assert said == [here, here]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(0.0, 1.0))
def test_a_larger_share_holds_the_smaller_one(signal_id, share):
    if is_chosen(signal_id, share / 2):
        assert is_chosen(signal_id, share)
    assert is_chosen(signal_id, 1.0)
    assert not is_chosen(signal_id, 0.0)


def test_a_canary_answers_its_share_and_says_so_and_the_model_in_force_the_rest(models):
    scorer = scorer_with(models, deployed("champion"), deployed("canary", 0.3))
    alone = scorer_with(models, deployed("champion"))
    canary = scorer_with(models, deployed("canary"))
    names = ids(200)
    for found, before, after in zip(
        *(answers(one, names) for one in (scorer, alone, canary)), strict=True
    ):
        if is_chosen(found.signal_id, 0.3):
            assert found.model == "canary"
            assert found.reasons == ("canary", *after.reasons)
            assert found.probability == after.probability != before.probability
            assert found.accepted == after.accepted
        else:
            assert found == before
    assert sum(is_chosen(name, 0.3) for name in names) > 40


def test_answers_do_not_depend_on_order_or_on_what_came_between(models):
    names = ids(60)
    first = scorer_with(models, deployed("champion"), deployed("canary", 0.5))
    second = scorer_with(models, deployed("champion"), deployed("canary", 0.5))
    forwards = answers(first, names)
    backwards = answers(second, names[::-1])
    assert forwards == backwards[::-1]


def test_a_share_of_zero_ends_the_canary_and_a_full_deployment_does_too(models):
    names = [name for name in ids(40) if is_chosen(name, 0.5)]
    for end in (deployed("canary", 0.0), deployed("other"), deployed("canary")):
        scorer = scorer_with(models, deployed("champion"), deployed("canary", 0.5))
        (before,) = answers(scorer, names[:1])
        scorer.deploy(end, None if end.share == 0.0 else models[end.digest])
        said = answers(scorer, names[1:5])
        assert before.model == "canary"
        standing = "champion" if end.share == 0.0 else end.version
        assert {one.model for one in said} == {standing}
        assert all("canary" not in one.reasons for one in said)


def test_a_share_of_zero_ends_nothing_but_the_canary(models):
    scorer = scorer_with(models, deployed("champion"))
    scorer.deploy(deployed("champion", 0.0), None)
    (found,) = answers(scorer, ["s1"])
    assert found.model == "champion"


def test_the_last_canary_given_wins(models):
    scorer = scorer_with(
        models, deployed("champion"), deployed("canary", 0.5), deployed("other", 0.2)
    )
    for found in answers(scorer, ids(60)):
        expected = "other" if is_chosen(found.signal_id, 0.2) else "champion"
        assert found.model == expected


def test_a_canary_applies_from_its_effective_ts_and_so_does_its_end(models):
    from_ts, to_ts = BARS[50].ts, BARS[55].ts
    scorer = scorer_with(models, deployed("champion"), deployed("canary", 0.999_999, from_ts))
    scorer.deploy(deployed("canary", 0.0, to_ts), None)
    spoke = {at: answers(scorer, [f"s{at}"], at)[0].model for at in range(45, 60)}
    assert spoke == {at: "canary" if 50 <= at < 55 else "champion" for at in range(45, 60)}


def test_a_full_deployment_of_the_future_ends_the_canary_only_then(models):
    scorer = scorer_with(
        models,
        deployed("champion"),
        deployed("canary", 0.999_999),
        deployed("other", 1.0, BARS[55].ts),
    )
    assert [answers(scorer, [f"s{at}"], at)[0].model for at in (54, 55)] == ["canary", "other"]


def test_many_canaries_do_not_push_the_model_in_force_out(models):
    scorer = scorer_with(
        models,
        deployed("champion"),
        *(deployed("canary", 0.01 * (n + 1)) for n in range(3 * CANARIES_KEPT)),
        deployed("canary", 0.25),
    )
    said = answers(scorer, ids(40))
    assert {one.model for one in said} == {"champion", "canary"}


def test_the_narrower_scope_wins_for_canaries_too(models):
    everywhere, here = deployed("canary", 0.999_999), deployed("other", 1.0, 0, SYMBOL)
    symbol_has_model = scorer_with(models, deployed("champion"), here, everywhere)
    assert answers(symbol_has_model, ["s1"])[0].model == "other"
    symbol_has_canary = scorer_with(
        models, deployed("champion"), everywhere, deployed("other", 0.999_999, 0, SYMBOL)
    )
    assert answers(symbol_has_canary, ["s1"])[0].model == "other"
    symbol_is_elsewhere = scorer_with(
        models, deployed("champion"), everywhere, deployed("other", 1.0, 0, "BBB")
    )
    assert answers(symbol_is_elsewhere, ["s1"])[0].model == "canary"


def test_a_canary_may_speak_where_nobody_else_does(models):
    scorer = scorer_with(models, deployed("canary", 0.5))
    for found in answers(scorer, ids(40)):
        is_canarys = is_chosen(found.signal_id, 0.5)
        assert found.model == ("canary" if is_canarys else None)
        assert found.reasons[0] == ("canary" if is_canarys else "no_model")


def test_an_expired_canary_leaves_the_signal_to_the_model_in_force(models):
    champion = deployed("champion", effective_ts=BARS[0].ts)
    old = deployed("canary", 0.999_999, BARS[0].ts - 900 * DAY_NS)
    alone = scorer_with(models, champion, max_age_days=400)
    both = scorer_with(models, champion, old, max_age_days=400)
    assert answers(both, ["s1"]) == answers(alone, ["s1"])


def test_a_canary_that_does_not_know_the_inputs_leaves_the_signal_to_the_model_in_force(models):
    far = InputGuard((50.0, 50.0), (0.1, 0.1), peak_limit=2.0, spread_limit=2.0)
    scorer = scorer_with(models, deployed("champion"))
    expected = answers(scorer_with(models, deployed("champion")), ["s1"])
    scorer.deploy(deployed("canary", 0.999_999), loaded(1, far))
    assert answers(scorer, ["s1"]) == expected


def test_a_canary_that_is_warming_leaves_the_signal_to_the_model_in_force(models):
    slow = FEATURES.names[int(FEATURES.convergence.argmax())]
    assert FEATURES.convergence.max() > len(BARS)
    scorer = scorer_with(models, deployed("champion"))
    expected = answers(scorer_with(models, deployed("champion")), ["s1"])
    scorer.deploy(deployed("canary", 0.999_999), loaded(1, feature=slow))
    assert answers(scorer, ["s1"]) == expected


def test_where_neither_can_speak_the_reason_is_that_of_the_model_in_force(models):
    far = InputGuard((50.0, 50.0), (0.1, 0.1), peak_limit=2.0, spread_limit=2.0)
    scorer = make_scorer()
    scorer.deploy(deployed("champion"), loaded(0, far))
    scorer.deploy(deployed("canary", 0.999_999, 0), loaded(1, far))
    (found,) = answers(scorer, ["s1"])
    assert (found.model, found.reasons) == (None, ("out_of_distribution",))


def test_a_policy_is_above_a_canary(models):
    names = [name for name in ids(40) if is_chosen(name, 0.5)]
    scorer = scorer_with(models, deployed("champion"), deployed("canary", 0.5))
    scorer.step(Policy("alpha", "block", "ops", "halt"))
    (blocked,) = answers(scorer, names[:1])
    assert (blocked.accepted, blocked.model, blocked.reasons) == (False, None, ("policy:block",))
    scorer.step(Policy("alpha", "observe", "ops", "look"))
    (watched,) = answers(scorer, names[1:2])
    assert (watched.model, watched.reasons) == ("canary", ("policy:observe", "canary"))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_that_is_none_is_a_dead_letter_and_changes_nothing(models, share):
    scorer = scorer_with(models, deployed("champion"))
    (letter,) = scorer.deploy(deployed("canary", share), models[DIGESTS["canary"]])
    assert letter.error.startswith("share: ")
    assert answers(scorer, ["s1"])[0].model == "champion"


def test_a_canary_of_no_model_is_a_dead_letter(models):
    scorer = scorer_with(models, deployed("champion"))
    (letter,) = scorer.deploy(Deployment("alpha", None, "null", "", 0, None, {}, "", 0.5), None)
    assert "below 1 that of a model" in letter.error


def test_a_refused_canary_leaves_everything_as_it_was(models):
    scorer = scorer_with(models, deployed("champion"), deployed("other", 0.5))
    (letter,) = scorer.deploy(deployed("canary", 0.5), ModelRefused("bad"))
    assert letter.error == "model_refused: bad"
    assert {one.model for one in answers(scorer, ids(40))} == {"champion", "other"}


def test_a_pinned_strategy_has_no_canary(models):
    scorer = make_scorer(pinned=True)
    scorer.start_with("alpha", models[DIGESTS["champion"]])
    scorer.deploy(deployed("canary", 0.5), models[DIGESTS["canary"]])
    said = answers(scorer, ids(20))
    assert {one.model for one in said} == {models[DIGESTS["champion"]].version}


def test_canaries_count_for_the_limit_of_scopes(models, monkeypatch):
    monkeypatch.setattr(deployments, "SCOPES_MAX", 2)
    scorer = scorer_with(
        models, deployed("champion"), deployed("canary", 0.5, 0, "BBB"), deployed("other", 0.5)
    )
    (letter,) = scorer.deploy(deployed("canary", 0.5, 0, "CCC"), models[DIGESTS["canary"]])
    assert letter.error.startswith("scope_limit")


def test_a_saved_scorer_goes_on_with_its_canary_and_with_the_end_of_one(models):
    events = (
        deployed("champion"),
        deployed("canary", 0.4),
        deployed("canary", 0.0, BARS[40].ts),
        deployed("other", 0.6, BARS[50].ts),
    )
    first = scorer_with(models, *events)
    saved = first.save()
    facts = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
    needed = {one.version for one in first.deployed_in(saved._replace(facts=facts))}
    assert needed == {"champion", "canary", "other"}
    second = Scorer(
        (StrategySettings(name="alpha", kind="external"),), FEATURES, session("us_equity")
    )
    second.load(saved._replace(facts=facts), models)
    for at in (30, 45, 55):
        names = ids(40, f"{at}-")
        said = answers(first, names, at)
        assert answers(second, names, at) == said
        expected = {30: {"champion", "canary"}, 45: {"champion"}, 55: {"champion", "other"}}[at]
        assert {one.model for one in said} == expected
    assert second.save().facts == first.save().facts


def test_outcomes_say_that_a_canary_spoke():
    labeller = Labeller((EXTERNAL,))
    labeller.step(bar(DAY_NS, 100, 101, 99, 100))
    for signal_id, reasons in (("s1", ("canary",)), ("s2", ()), ("s3", ("canary", "x"))):
        labeller.step(answered(DAY_NS, signal_id, model="m2", reasons=reasons))
    said = outcomes(labeller.step(bar(2 * DAY_NS, 100, 200, 99, 150)))
    assert {one.signal_id: one.canary for one in said} == {"s1": True, "s2": False, "s3": True}
    trade = Trade("s1", DAY_NS, 2 * DAY_NS, 100.0, 110.0, 1.0, 10.0, True)
    (real,) = outcomes(labeller.step(trade))
    assert (real.virtual, real.canary) == (False, True)


def test_a_restored_labeller_still_knows_whose_the_canary_was():
    first, second = Labeller((EXTERNAL,)), Labeller((EXTERNAL,))
    first.step(bar(DAY_NS, 100, 101, 99, 100))
    first.step(answered(DAY_NS, "s1", reasons=("canary",)))
    first.step(answered(2 * DAY_NS, "s2", reasons=("canary",)))
    saved = first.save()
    facts = msgspec.msgpack.decode(msgspec.msgpack.encode(saved.facts))
    second.load(saved._replace(facts=facts))
    for core in (first, second):
        said = core.step(bar(2 * DAY_NS, 100, 101, 99, 100))
        said += core.step(bar(3 * DAY_NS, 100, 200, 99, 150))
        assert {o.signal_id: o.canary for o in outcomes(said)} == {"s1": True, "s2": True}
