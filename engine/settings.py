"""What a strategy is on the wire: its rule, its label, its model block; and drift's."""

from typing import Annotated, Any, Literal

import msgspec

from engine.costs import CostSettings as CostSettings
from engine.instrument_book import InstrumentFile
from models.settings import MlSettings

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]

EXTERNAL = "external"


class LabelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a signal's trade is closed.

    `strategy`: by the strategy's own exit, its stop and its maximum hold. `triple_barrier`: at
    the stop, at `target_r` times the risk, or after `max_hold_bars` (0: never).
    Without a stop on the signal, the stop stands `stop_atr_mult` ATR(14) from its price.
    """

    rule: Literal["strategy", "triple_barrier"] = "strategy"
    stop_atr_mult: Positive = 2.0
    target_r: NotNegative = 1.0
    max_hold_bars: Count = 0


class StrategySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy.

    `overlapping`: signal at every close on which the entry condition holds, also while an
    earlier signal's trade is open; otherwise one virtual position at a time.

    `name` is its name on the wire; `kind` the file under `engine/strategies/` that decides, or
    `external` when an engine publishes its own signals (then the label is a triple barrier).
    `features` names the numbers that its signals carry. `costs` are those of every symbol, unless
    `instruments` are given: then each has its own.
    """

    name: str
    kind: str = ""
    params: dict[str, Any] = {}
    interval: str = "1d"
    symbols: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    overlapping: bool = False
    ml: MlSettings = MlSettings()
    label: LabelSettings = LabelSettings()
    costs: CostSettings = CostSettings()
    instruments: InstrumentFile | None = None

    @property
    def rule_name(self) -> str:
        """The file that decides: `kind`, or `name` where no kind is given."""
        return self.kind or self.name


class InputWatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the inputs and the scores of models are watched, before outcomes mature.

    The first `reference_signals` answers of a model show what is usual; each `block_signals` after
    them are held against that by `tests`. `budget` is the mean number of answers to a false word
    of all tests over all features together.
    """

    enabled: bool = True
    tests: tuple[Literal["psi", "ks"], ...] = ("psi", "ks")
    reference_signals: Annotated[int, msgspec.Meta(ge=100, le=20_000)] = 500
    block_signals: Annotated[int, msgspec.Meta(ge=50, le=20_000)] = 250
    budget: Positive = 50_000.0


class DriftSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which detectors watch the outcomes, and how often a retrain may be asked for.

    A detector is named by its file, `slope`, or with the stream it watches, `page_hinkley:brier`.
    `budget` is the mean number of outcomes of a strategy to one false alarm of all detectors on
    all strategies together: it is divided among them, `ranking_share` of it to the ranking
    channel, the rest to calibration. `thresholds` by detector replace what the budget gives: they
    are what `assay drift calibrate` finds. A detector without a budget (`assay drift list`) has
    no part in it before that: its false alarms come on top.

    An outcome is judged at its exit, or `maturity_days` after its signal if that is later: set it
    to the longest hold where losers stop out sooner than winners win. After an alarm a retrain is
    asked for at most every `cooldown_outcomes`, and again whenever the outcomes since the
    changepoint are `refresh_growth` times as many (above 1; 0: at every later alarm), until there
    are `settled_outcomes`.
    A strategy without a model asks for one after `first_outcomes` (0: never, people ask), and again
    as they grow.
    Every `review_outcomes` (0: never) what is in the shadow is judged anew.
    """

    detectors: tuple[str, ...] = ("slope", "intercept")
    budget: Annotated[float, msgspec.Meta(ge=1.0, le=1e12)] = 10_000.0
    ranking_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8
    thresholds: dict[str, Annotated[float, msgspec.Meta(gt=0.0, le=1e18)]] = {}
    reference_outcomes: Annotated[int, msgspec.Meta(ge=20, le=20_000)] = 100
    cooldown_outcomes: Count = 100
    maturity_days: Annotated[float, msgspec.Meta(ge=0.0, le=10_000.0)] = 0.0
    refresh_growth: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)] = 1.5
    settled_outcomes: Count = 5_000
    first_outcomes: Count = 500
    review_outcomes: Count = 200
    inputs: InputWatchSettings = InputWatchSettings()

    def __post_init__(self) -> None:
        if 0.0 < self.refresh_growth <= 1.0:
            raise ValueError(
                f"refresh_growth must be 0 or above 1, was {self.refresh_growth:g}: the outcomes "
                "since a change are never fewer than they were"
            )
