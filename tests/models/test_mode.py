"""What a probability does to a signal, and what stands in for one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mode import decide
from models.settings import MlSettings

FRACTIONS = st.floats(0.0, 1.0)
MODES = st.sampled_from(["score_enhancement", "enhance", "filter", "replace", "observe"])
FALLBACKS = st.sampled_from(["pass_through", "block"])
SETTINGS = st.builds(
    MlSettings,
    enabled=st.booleans(),
    prediction_mode=MODES,
    ml_weight=FRACTIONS,
    confidence_threshold=FRACTIONS,
    fallback=FALLBACKS,
)
POLICIES = st.sampled_from([None, "observe", "pass_through", "block"])


@given(SETTINGS, FRACTIONS, st.none() | FRACTIONS, POLICIES)
def test_the_final_score_and_what_is_told_stay_in_their_ranges(
    settings, score, probability, policy
):
    decision = decide(settings, score, probability, policy=policy)
    assert 0.0 <= decision.final_score <= 1.0
    assert decision.probability in (None, probability)
    assert decision.accepted or decision.mode in ("filter", "block")
    assert (decision.probability is None) == (decision.mode in ("pass_through", "block"))
    assert len(decision.reasons) == len(set(decision.reasons))


@given(SETTINGS, FRACTIONS, FRACTIONS)
def test_enhance_replace_and_observe_always_accept(settings, score, probability):
    if settings.prediction_mode != "filter":
        decision = decide(settings, score, probability)
        assert decision.accepted
        assert decision.reasons == (() if settings.enabled else ("disabled",))


@given(FRACTIONS, FRACTIONS, FRACTIONS)
def test_filter_rejects_exactly_below_the_threshold_and_keeps_the_score(
    threshold, score, probability
):
    settings = MlSettings(prediction_mode="filter", confidence_threshold=threshold)
    decision = decide(settings, score, probability)
    assert decision.accepted == (probability >= threshold)
    assert decision.final_score == score
    assert decision.reasons == (() if decision.accepted else ("below_threshold",))


@given(FRACTIONS, FRACTIONS, FRACTIONS)
def test_enhance_lies_between_score_and_probability(weight, score, probability):
    settings = MlSettings(prediction_mode="enhance", ml_weight=weight)
    decision = decide(settings, score, probability)
    assert decision.mode == "score_enhancement"
    expected = (1.0 - weight) * score + weight * probability
    assert decision.final_score == pytest.approx(expected, abs=1e-15)
    assert min(score, probability) <= decision.final_score <= max(score, probability)


@given(FRACTIONS, FRACTIONS)
def test_weight_zero_keeps_the_score_and_weight_one_takes_the_probability(score, probability):
    for weight, expected in ((0.0, score), (1.0, probability)):
        settings = MlSettings(prediction_mode="score_enhancement", ml_weight=weight)
        assert decide(settings, score, probability).final_score == expected


@given(FRACTIONS, FRACTIONS)
def test_replace_takes_the_probability_and_observe_only_tells_it(score, probability):
    replaced = decide(MlSettings(prediction_mode="replace"), score, probability)
    observed = decide(MlSettings(prediction_mode="observe"), score, probability)
    assert (replaced.final_score, replaced.probability) == (probability, probability)
    assert (observed.final_score, observed.probability) == (score, probability)


@given(SETTINGS, FRACTIONS, st.none() | FRACTIONS)
def test_the_kill_switch_blocks_whatever_is_configured(settings, score, probability):
    decision = decide(settings, score, probability, policy="block")
    assert not decision.accepted
    assert decision.reasons[0] == "policy:block"
    assert decision.mode == "block"


@given(SETTINGS, FRACTIONS, st.none() | FRACTIONS)
def test_the_pass_through_policy_lets_every_signal_through_unscored(settings, score, probability):
    decision = decide(settings, score, probability, policy="pass_through")
    assert decision.accepted
    assert (decision.final_score, decision.probability) == (score, None)
    assert decision.reasons[0] == "policy:pass_through"


@given(SETTINGS, FRACTIONS, FRACTIONS)
def test_the_observe_policy_takes_the_model_s_hands_off(settings, score, probability):
    decision = decide(settings, score, probability, policy="observe")
    assert decision.accepted
    assert decision.final_score == score
    assert decision.mode == ("observe" if settings.enabled else "pass_through")


@given(SETTINGS, FRACTIONS, st.sampled_from([None, "observe"]))
def test_without_a_probability_the_fallback_decides_and_says_why(settings, score, policy):
    enabled = msgspec.structs.replace(settings, enabled=True)
    decision = decide(enabled, score, None, reasons=("warming",), policy=policy)
    assert decision.accepted == (enabled.fallback == "pass_through")
    assert decision.final_score == score
    assert decision.reasons[-1] == "warming"


def test_without_a_probability_and_without_a_reason_there_was_no_model():
    assert decide(MlSettings(), 0.5, None).reasons == ("no_model",)


@given(SETTINGS, FRACTIONS, st.none() | FRACTIONS)
def test_a_disabled_model_block_passes_everything_through(settings, score, probability):
    disabled = msgspec.structs.replace(settings, enabled=False)
    decision = decide(disabled, score, probability)
    assert decision.accepted
    assert (decision.final_score, decision.probability) == (score, None)
    assert decision.reasons == ("disabled",)


def test_reasons_come_in_a_fixed_order():
    settings = MlSettings(fallback="block")
    decision = decide(settings, 0.5, None, reasons=("warming", "missing_feature:x"), policy="block")
    assert decision.reasons == ("policy:block", "warming", "missing_feature:x")
