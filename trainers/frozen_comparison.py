"""Two frozen models on the outcomes that came after both: who should answer from here on.

What is in the shadow is judged against the model in force, and the model before it by the reverse
test, both on the vectors that were served. Nothing is fitted.
"""

import numpy as np

from trainers.calibrators.calibrator import base_rate
from trainers.dataset import Dataset
from trainers.frozen_model import FrozenModel, or_null
from trainers.gate import Verdict, Window, judge
from trainers.sample_weights import weights_of
from trainers.settings import GateSettings
from trainers.splits import closed_before


def judge_frozen(
    samples: Dataset,
    challenger: FrozenModel,
    champion: FrozenModel | None,
    settings: GateSettings,
    *,
    threshold: float | None,
    opens_ts: int = 0,
    challengers_before: int = 0,
) -> Verdict:
    """Return whether `challenger` should replace `champion`, or the null model alone, by the gate.

    Judged on the samples whose signals came after the last label of either model's training, and
    not before `opens_ts`, UTC nanoseconds. The null model is the base rate of what was closed
    before those. For a rollback the challenger is the previous champion. Every look at the same
    two models is another chance for luck: `challengers_before` counts looks as it does challengers.
    """
    frozen_ts = max(challenger.frozen_ts, champion.frozen_ts if champion else 0)
    judged = samples.take((samples.ts > frozen_ts) & (samples.ts >= opens_ts))
    null = np.full(len(judged), _rate_before(samples, judged))
    return judge(
        Window(judged.y, judged.r_multiple, judged.stretches, threshold),
        or_null(challenger.probability(judged.x), null),
        null,
        or_null(champion.probability(judged.x), null) if champion else None,
        settings,
        challengers_before=challengers_before,
    )


def _rate_before(samples: Dataset, judged: Dataset) -> float:
    opens_ts = int(judged.ts[0]) if len(judged) else 0
    before = samples.take(closed_before(samples.exit_ts, opens_ts, 0))
    return base_rate(before.y, weights_of(before))
