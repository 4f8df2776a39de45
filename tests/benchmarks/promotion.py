"""Pairs of frozen models whose true difference is known, and how often each rule promotes one.

Models are trained as the trainer trains them, on Layer A of Bayes AUC .62. A market's champion
has its first 1,000 samples; its challengers have all up to a later day, or those since some
changepoint, as they come to be trained while the champion is in force. A model's true AUC is that
on TRUTH_DRAWS fresh draws, without label noise. A pair is judged on draws that neither has seen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from streams import layer_a
from tests.trainers.samples import layer_a_dataset
from trainers.challenger import Challenger
from trainers.frozen_model import or_null
from trainers.gate import Window, compare, judge
from trainers.settings import GateSettings, TrainSettings
from trainers.training import challengers, choose
from trainers.window import Division

BAYES_AUC = 0.62
CHAMPION_SPAN = (0, 1_000)
CHALLENGER_SPANS = (
    *((0, 1_200), (0, 2_000), (0, 3_000), (0, 4_000), (0, 5_500)),
    *((500, 1_000), (700, 1_000), (500, 1_500), (1_000, 1_500), (1_000, 2_000)),
)
MARKET_SAMPLES = 5_500
TRUTH_DRAWS, TRUTH_SEED = 20_000, 77_000
MARKET_SEED, WINDOW_SEED = 1_000, 900_000
"""Others than the gate's `AUC_RISE_MIN` was chosen on: markets from 0 and windows from 500,000."""

GATES = {"gate": None, "gate, filter .5": 0.5}
PLAIN = ("log-loss 10 %", "AUC 10 %", "AUC gain > 0", "AUC gain > .01")
ALPHA = 0.10


class Known(NamedTuple):
    """A frozen model, its market and its true AUC."""

    market: int
    span: tuple[int, int]
    model: Challenger
    true_auc: float


class Gap(NamedTuple):
    """By how much a challenger's true AUC differs from the champion's: `wanted` ± `around`."""

    wanted: float
    around: float

    def holds(self, challenger: Known, champion: Known) -> bool:
        return abs(challenger.true_auc - champion.true_auc - self.wanted) <= self.around


GAPS = {"better": Gap(0.022, 0.004), "equal": Gap(0.0, 0.002), "worse": Gap(-0.02, 0.004)}


class Pair(NamedTuple):
    """Who would replace whom."""

    challenger: Known
    champion: Known

    @property
    def gap(self) -> float:
        return self.challenger.true_auc - self.champion.true_auc


def train_market(market: int) -> list[Known]:
    """The champion of a market, first, and its challengers."""
    with threadpool_limits(1):
        samples = layer_a_dataset(MARKET_SAMPLES, MARKET_SEED + market, bayes_auc=BAYES_AUC)
        truth = layer_a.draw(np.random.default_rng(TRUTH_SEED), TRUTH_DRAWS, bayes_auc=BAYES_AUC)
        x = truth.features.astype(np.float32)
        found = []
        for span in (CHAMPION_SPAN, *CHALLENGER_SPANS):
            own = samples.take(np.arange(*span))
            everything = np.ones(len(own), dtype=np.bool_)
            whole = Division(~everything, everything, everything)
            chosen = choose(challengers(own, whole, TrainSettings()))
            if chosen is not None:
                margin = chosen.fitted.margin(np.ascontiguousarray(x[:, chosen.columns]))
                said = chosen.calibration.probability(margin)
                auc = layer_a.expected_auc(said, truth.probability)
                found.append(Known(market, span, chosen, auc))
    return found


def pairs_of(models: Sequence[Known], gap: Gap, *, same_market: bool) -> list[Pair]:
    """Every pair of `gap`: within each market, or across any two; in a fixed, mixed order."""
    champions = [m for m in models if m.span == CHAMPION_SPAN]
    pairs = [
        Pair(other, champion)
        for champion in champions
        for other in models
        if other is not champion
        and (other.market == champion.market) == same_market
        and gap.holds(other, champion)
    ]
    order = np.random.default_rng(1).permutation(len(pairs))
    return [pairs[place] for place in order]


def promoted(pair: Pair, run: int, outcomes: int) -> dict[str, bool]:
    """Whether each rule promotes, on the outcomes of one draw."""
    drawn = layer_a_dataset(outcomes, WINDOW_SEED + run, bayes_auc=BAYES_AUC)
    null = np.full(outcomes, pair.challenger.model.null_probability)
    challenger, champion = (or_null(known.model.probability(drawn.x), null) for known in pair)
    found = {}
    for name, threshold in GATES.items():
        window = Window(drawn.y, drawn.r_multiple, drawn.days, threshold)
        found[name] = judge(window, challenger, null, champion, GateSettings()).promoted
    against = compare(window, challenger, champion, other_filters=True)
    by = (
        against.log_loss.p_value_above_zero() < ALPHA,
        against.auc.p_value_above_zero() < ALPHA,
        against.auc.value > 0.0,
        against.auc.value > 0.01,
    )
    return found | dict(zip(PLAIN, by, strict=True))


class Rates(NamedTuple):
    """The share of runs in which each rule promoted, with errors clustered by pair."""

    pairs: int
    runs: int
    mean_gap: float
    share: dict[str, float]
    error: dict[str, float]


def rates_of(pairs: Sequence[Pair], runs: int, outcomes: int) -> Rates:
    """Judge on `runs` draws; pairs take turns."""
    if not pairs:
        raise ValueError("no pair has this gap: train more markets")
    used = [pairs[run % len(pairs)] for run in range(runs)]
    with threadpool_limits(1):
        found = [promoted(pair, run, outcomes) for run, pair in enumerate(used)]
    share, error = {}, {}
    for name in found[0]:
        hits = np.array([line[name] for line in found], dtype=np.float64)
        share[name] = float(hits.mean())
        sums = np.bincount(np.arange(runs) % len(pairs), weights=hits - hits.mean())
        error[name] = float(np.sqrt((sums**2).sum())) / runs
    return Rates(len(pairs), runs, float(np.mean([p.gap for p in used])), share, error)
