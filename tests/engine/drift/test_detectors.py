"""Every drift detector, found by file name, is held to one conduct on every stream it suits."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from engine.drift.detector import Reference, detector_names, load_detector, parse_detector
from engine.drift.outcome_stream import RANGES, STREAMS, make_stream, prediction_of
from streams.errors import ConfigError
from tests.engine.drift.detector_checks import CHECKS, REFERENCE, alarms, made, outcomes

TEXTS = [f"{name}:{stream}" for name in detector_names() for stream in load_detector(name).STREAMS]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_detector_is_held_to(check: Callable[[str], None], name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("threshold", [1e-12, 1e18])
def test_any_threshold_that_may_be_set_does_no_harm(name: str, threshold: float) -> None:
    stream = outcomes(2, 60, 1.5, 1.0)
    alarms(made(name, stream, stricter=threshold), stream)


def test_an_unknown_detector_or_stream_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'page_hinkly' is not known: did you mean page_hinkley"):
        parse_detector("page_hinkly")
    with pytest.raises(
        ConfigError,
        match=r"'page_hinkley' does not suit the stream 'briar' \(in 'page_hinkley:briar'\): "
        r"did you mean brier\? allowed: brier, error, rank_residual",
    ):
        parse_detector("page_hinkley:briar")
    with pytest.raises(ConfigError, match="'ddm' does not suit the stream ''"):
        parse_detector("ddm:")
    with pytest.raises(ConfigError, match="'errors' is not known: did you mean error"):
        make_stream("errors", Reference([0.5]))


def test_a_detector_is_named_alone_or_with_its_stream() -> None:
    alone, full = parse_detector("page_hinkley"), parse_detector("page_hinkley:brier")
    assert (alone.name, alone.stream) == ("page_hinkley", "rank_residual")
    assert (full.name, full.stream) == ("page_hinkley", "brier")
    assert alone.default_threshold != full.default_threshold
    assert parse_detector("slope").default_threshold is None


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_rises_when_the_model_worsens_and_stays_in_its_range(name: str) -> None:
    good, bad = outcomes(2, 2000, 1.5, 1.0), outcomes(3, 2000, 1.5, -1.0)
    stream = make_stream(name, Reference([probability for probability, _ in good[:REFERENCE]]))
    values = [[stream(*pair) for pair in pairs] for pairs in (good, bad)]
    edges = [stream(p, y) for p in (0.0, 1.0) for y in (0, 1)]
    lowest, highest = RANGES[name]
    assert lowest <= min(*values[0], *values[1], *edges)
    assert highest >= max(*values[0], *values[1], *edges)
    if name != "residual":
        assert np.mean(values[1]) > np.mean(values[0]) + 0.02


def test_a_residual_tells_its_prediction_and_its_outcome() -> None:
    residual = make_stream("residual", Reference([0.5]))
    for probability, outcome in [*outcomes(2, 500, 4.0, 1.0), (0.0, 0), (1.0, 1), (0.0, 1)]:
        said, happened = prediction_of(residual(probability, outcome))
        assert happened == outcome
        assert said == pytest.approx(probability, abs=1.1e-6)


def test_the_e_detectors_run_without_river() -> None:
    script = (
        "import sys; from engine.drift.detector import *; names = detector_names();"
        "modules = [load_detector(n) for n in names];"
        "made = [load_detector(n).make(100.0, Reference([.4, .6]), 'residual')"
        " for n in ('slope', 'intercept')];"
        "[detector.update(.5) for detector in made];"
        "sys.exit('river' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_ranks_of_a_reference_count_ties_half() -> None:
    reference = Reference([0.2, 0.4, 0.4, 0.8])
    assert [reference.rank(p) for p in (0.1, 0.4, 0.9)] == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="at least one probability"):
        Reference([])
