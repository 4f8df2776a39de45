"""Reports of models that never were, told by the very functions that tell of real ones."""

import itertools
from datetime import date, timedelta
from functools import cache

import msgspec
import numpy as np

from trainers.calibrators.platt import sigmoid
from trainers.dataset import DAY_NS, Dataset
from trainers.evaluation.cpcv_paths import cpcv_figures
from trainers.evaluation.evaluation import evaluate
from trainers.evaluation.figure import Figure
from trainers.evaluation.importance import FeatureContribution, Importance, PermutedFeatures
from trainers.evaluation.model_walk_forward import FoldTold, Told, model_walk_forward
from trainers.evaluation.overfitting import ModelDeflated, pbo_of
from trainers.evaluation.period_figures import period_figures
from trainers.gate import Window, judge
from trainers.pipeline import model_report as parts
from trainers.pipeline.model_report import ModelReport
from trainers.settings import GateSettings

FIRST_DAY = date(2016, 1, 4)
FEATURES = ("atr_14", "rsi_2", "breadth_above_sma_200", "close_to_sma_200", "volume_z_20", "side")
FOLDS = 4
THRESHOLD = 0.5
NULL = 0.45


@cache
def report_of(
    *, skill: float = 1.0, samples: int = 2_000, symbol: str | None = "AAPL", seed: int = 1
) -> ModelReport:
    """A model whose log-odds hold `skill` of the truth, judged by the gate; 0: noise."""
    rng = np.random.default_rng(seed)
    outcomes, probability = _told(rng, samples, skill)
    cut = int(0.7 * samples)
    research, sealed = outcomes.take(np.arange(cut)), outcomes.take(np.arange(cut, samples))
    own, held = probability[:cut], probability[cut:]
    window = Window(sealed.y, sealed.r_multiple, sealed.days, THRESHOLD)
    verdict = judge(window, held, np.full(held.size, NULL), None, GateSettings())
    return ModelReport(
        identity=_identity(symbol, research, verdict.promoted),
        spans=parts.Spans(
            research=_span(research),
            holdout=_span(sealed),
            embargo_days=5.0,
            scheme="walk-forward by dates, anchored",
            purged=12,
        ),
        samples=_samples(research, sealed, symbol),
        verdict=parts.Verdict(
            promoted=verdict.promoted,
            reason=verdict.reason,
            figures={k: v for k, v in verdict.figures.items() if np.isfinite(v)},
        ),
        candidates=_candidates(rng, skill),
        tuning=parts.Tuning(
            sampler="TPE",
            complete=71,
            pruned=29,
            best_log_loss=0.6812,
            default_log_loss=0.6840 if skill else 0.6812,
            seconds=31.4,
        ),
        feature_choice=_feature_choice(),
        calibration=parts.CalibrationChoice(
            method="platt", rows=cut, figures={"slope": 0.91, "intercept": -0.08}
        ),
        threshold=parts.Threshold(value=THRESHOLD, rule="utility", break_even=0.47),
        walk_forward=_walk_forward(research, own),
        combinatorial=_combinatorial(rng, research, own),
        overfitting=_overfitting(rng, skill),
        out_of_fold=evaluate(research, own, null_probability=NULL, threshold=THRESHOLD),
        holdout=parts.Holdout(
            opened_ts=1_732_199_990_000_000_000,
            opened_before=0,
            opened_for_others=0,
            evaluation=evaluate(sealed, held, null_probability=NULL, threshold=THRESHOLD),
        ),
        importance=_importance(skill),
        missing={"served_difference": "the stream has recorded no signal of it yet"},
        settings={"spans": "auto", "trials": 100, "ensemble": True, "gate": {"alpha": 0.1}},
        files=_files(f"{symbol or 'all'}_rsi2", verdict.promoted),
    )


def _identity(symbol: str | None, research: Dataset, promoted: bool) -> parts.Identity:
    return parts.Identity(
        strategy="rsi2_mean_reversion",
        symbol=symbol,
        interval="1d",
        params={"entry_below": 10, "hold_bars": 5, "exit_above": 65.0},
        data_digest="9f" * 32,
        code_version="1.4.0",
        seed=7,
        known_to_ts=int(research.exit_ts.max()),
        trained_ts=1_732_200_000_000_000_000,
        version="rsi2_mean_reversion-0123456789ab" if promoted else None,
        libraries={"lightgbm": "4.7.0", "numpy": "2.2.0"},
    )


def _samples(research: Dataset, sealed: Dataset, symbol: str | None) -> parts.Samples:
    count = len(research)
    few = f"{count} samples are few, 500 or more are advised: expect wide intervals"
    return parts.Samples(
        count=count,
        effective=0.62 * count,
        days=int(np.unique(research.days).size),
        symbols=1 if symbol else 200,
        base_rate=float(research.y.mean()),
        mean_r=float(research.r_multiple.mean()),
        features=64,
        holdout_count=len(sealed),
        warnings=(few,) if count < 500 else (),
    )


def _files(stem: str, promoted: bool) -> dict[str, str]:
    files = {"summary": f"{stem}/{stem}_executive_summary.txt"}
    files["report"] = f"{stem}/{stem}_report.html"
    if promoted:
        files["model"] = f"{stem}/{stem}_ml_meta_labeling_final_model.onnx"
    return files


def bare_report(why: str = "it was not asked for") -> ModelReport:
    """A report of which every part that may be missing is."""
    whole = report_of(symbol=None)
    optional = ("tuning", "feature_choice", "calibration", "threshold", "walk_forward")
    optional += ("combinatorial", "overfitting", "out_of_fold", "holdout", "importance")
    return msgspec.structs.replace(
        whole,
        spans=msgspec.structs.replace(whole.spans, holdout=None),
        verdict=parts.Verdict(promoted=False, reason="nothing_to_learn"),
        candidates=(),
        missing=dict.fromkeys((*optional, "candidates", "served_difference"), why),
        files={},
        settings={},
        **dict.fromkeys(optional),
    )


def _told(rng: np.random.Generator, count: int, skill: float) -> tuple[Dataset, np.ndarray]:
    """Outcomes of known log-odds, and what a model with `skill` of them says."""
    day = np.sort(rng.integers(0, 3_000, count))
    truth = -0.2 + 0.45 * rng.standard_normal(count)
    y = (rng.random(count) < sigmoid(truth)).astype(np.int8)
    noise = 0.15 * rng.standard_normal(count)
    said = sigmoid(-0.2 + 0.8 * skill * (truth + 0.2) + noise)
    ts = ((FIRST_DAY - date(1970, 1, 1)).days + day) * DAY_NS
    r_multiple = np.where(y == 1, 1.1, -0.95) + 0.2 * rng.standard_normal(count)
    outcomes = Dataset(
        names=FEATURES,
        signal_ids=np.array([f"s{number}" for number in range(count)]),
        symbols=np.full(count, "AAPL"),
        ts=ts,
        entry_ts=ts + DAY_NS,
        exit_ts=ts + 6 * DAY_NS,
        x=rng.standard_normal((count, len(FEATURES))).astype(np.float32),
        y=y,
        r_multiple=r_multiple,
    )
    return outcomes, said


def _walk_forward(research: Dataset, own: np.ndarray) -> parts.WalkForwardReport:
    null = np.full(own.size, NULL)
    edges = np.linspace(own.size // (FOLDS + 1), own.size, FOLDS + 1).astype(int).tolist()
    rows, folds = [], []
    for number, (first, end) in enumerate(itertools.pairwise(edges), start=1):
        past, future = np.arange(first), np.arange(first, end)
        test = research.take(future)
        told = [Told(research.take(r), own[r], null[r]) for r in (past, future)]
        folds.append(FoldTold(f"fold {number}", *told, THRESHOLD))
        names = np.full(future.size, f"fold {number}")
        (tested,) = period_figures(test, own[future], null[future], THRESHOLD, names)
        rows.append(
            parts.WalkForwardRow(
                train=_span(research.take(past)),
                test=_span(test),
                train_count=first,
                tested=tested,
            )
        )
    return parts.WalkForwardReport(folds=tuple(rows), summary=model_walk_forward(folds))


def _combinatorial(
    rng: np.random.Generator, research: Dataset, own: np.ndarray
) -> parts.Combinatorial:
    paths = np.clip(own + 0.03 * rng.standard_normal((5, own.size)), 0.01, 0.99)
    figures = cpcv_figures(research, paths, null_probability=NULL, threshold=THRESHOLD)
    return parts.Combinatorial(groups=6, test_groups=2, figures=figures)


def _overfitting(rng: np.random.Generator, skill: float) -> parts.Overfitting:
    gains = rng.standard_normal((640, 20)) + skill * np.linspace(0.0, 0.3, 20)
    deflated = ModelDeflated(days=640, trials=171, sharpe=1.9, probability=0.97, benchmark=0.8)
    worse = ModelDeflated(days=640, trials=171, sharpe=0.3, probability=0.21, benchmark=0.8)
    return parts.Overfitting(pbo=pbo_of(gains), deflated=deflated if skill else worse)


def _candidates(rng: np.random.Generator, skill: float) -> tuple[parts.Candidate, ...]:
    def figure(value: float, error: float) -> Figure:
        return Figure(value, error, value - 1.97 * error, value + 1.97 * error)

    names = ("lightgbm", "xgboost", "catboost", "logistic", "random_forest", "ensemble", "blend")
    members = {"ensemble": names[:3], "blend": ("ensemble", *names[3:5])}
    return tuple(
        parts.Candidate(
            name=name,
            log_loss_gain=figure(0.012 * skill + 0.002 * float(rng.standard_normal()), 0.003),
            auc=figure(0.5 + 0.07 * skill + 0.005 * float(rng.standard_normal()), 0.012),
            is_chosen=name == "blend",
            members=members.get(name, ()),
            params={} if name in members else {"learning_rate": 0.0312, "leaves": 7},
            trials=0 if name in members else 20,
            seconds=None if name in members else 6.25,
        )
        for name in names
    )


def _feature_choice() -> parts.FeatureChoice:
    return parts.FeatureChoice(
        clusters=30,
        columns=FEATURES,
        stability=Figure(0.61, 0.06, 0.49, 0.73),
        cluster_stability=Figure(None, reason="every fold takes all clusters"),
        share_by_feature={name: 1.0 - 0.2 * place for place, name in enumerate(FEATURES[:5])},
    )


def _importance(skill: float) -> Importance:
    sizes = [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]
    return Importance(
        permuted=tuple(
            PermutedFeatures(
                features=(name, f"{name}_slow") if place < 2 else (name,),
                lost=0.01 * skill * size - 0.0004,
                spread=0.0005,
                low=0.01 * skill * size - 0.0011,
                high=0.01 * skill * size + 0.0004,
            )
            for place, (name, size) in enumerate(zip(FEATURES, sizes, strict=True))
        ),
        permuted_rows=600,
        contributions=tuple(
            FeatureContribution(name, 0.3 * size, size, (-1.0) ** place * 0.8)
            for place, (name, size) in enumerate(zip(FEATURES, sizes, strict=True))
        ),
        contribution_rows=600,
        method="exact",
    )


def _span(samples: Dataset) -> parts.DaySpan:
    first, last = (
        date(1970, 1, 1) + timedelta(days=int(d)) for d in (samples.days[0], samples.days[-1])
    )
    return parts.DaySpan(first_day=first, last_day=last)
