"""Whatever outcomes come, an evaluation holds numbers, or words in their place."""

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.samples import dataset_of
from trainers.dataset import DAY_NS
from trainers.evaluation.evaluation import Evaluation, evaluate
from trainers.evaluation.figure import Figure

probabilities = st.sampled_from([0.0, 1e-9, 0.2, 0.5, 0.5000001, 0.9, 1.0, float("nan")])
results = st.sampled_from([-1.0, 0.0, 1e-300, 0.7, 3.0, 1e200, -1e200])
outcome = st.tuples(st.integers(0, 1), probabilities, results, st.integers(0, 3), st.integers(0, 4))


def figures_of(value):
    if isinstance(value, Figure):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from figures_of(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            yield from figures_of(part)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(outcome, max_size=25),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.sampled_from([None, 0.0, 0.5, 1.0]),
)
def test_every_figure_is_a_number_or_says_why_not(rows, null: float, threshold: float | None):
    rows = sorted(rows, key=lambda row: row[3])
    day = np.array([row[3] for row in rows], dtype=np.int64)
    held = np.array([row[4] for row in rows], dtype=np.int64)
    outcomes = dataset_of(np.zeros((len(rows), 1)), np.array([r[0] for r in rows], dtype=np.int64))
    outcomes = replace(
        outcomes,
        ts=day * DAY_NS,
        exit_ts=(day + held) * DAY_NS,
        r_multiple=np.array([row[2] for row in rows], dtype=np.float64),
    )
    told = np.array([row[1] for row in rows], dtype=np.float64)
    found = evaluate(outcomes, told, null_probability=null, threshold=threshold)
    # Neither NaN nor infinity has a place in JSON: both would come back as None.
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found
    for figure in figures_of(found):
        if figure.value is None or figure.error is None:
            assert figure.reason
        else:
            assert figure.error >= 0.0
            assert figure.low <= figure.value <= figure.high
