"""What people see of an evaluation: figures by year, and sentences that say no more than they."""

from deploy.output import Output
from deploy.report import in_words
from deploy.research.evaluating import Evaluated
from deploy.tables import plain_table
from trainers.evaluation.figure import Figure
from trainers.gate import TOO_FEW_OUTCOMES
from trainers.reports.model_words import counted, day, decimal, estimate, with_error
from trainers.reports.words import share

_NULL_ORIGINS = {
    "card": "of what it was trained on, by its card",
    "seen": "of the samples up to the end of its training, for its card tells none",
    "judged": "of the samples that judge it, for nothing tells that of its training",
}


def show_evaluation(found: Evaluated, output: Output) -> None:
    """Write a model's figures by year, and what they say."""
    evaluation = found.evaluation
    table = plain_table(f"{found.version} on what it has not seen")
    table.add_column("year")
    for name in ("signals", "base\nrate", "AUC", "log-loss gain", "R gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for year in evaluation.periods:
        table.add_row(
            year.period,
            f"{year.samples:,}",
            share(year.base_rate.value),
            with_error(year.auc),
            with_error(year.log_loss_gain, 4, signed=True),
            with_error(year.utility_gain_r, signed=True),
        )
    if evaluation.samples:
        output.show(table)
    for sentence in sentences(found):
        output.say(sentence)


def sentences(found: Evaluated) -> tuple[str, ...]:
    """Return what is true of a model, in the order in which it matters."""
    evaluation = found.evaluation
    where = found.strategy if found.symbol is None else f"{found.strategy} on {found.symbol}"
    known = day(found.known_to_ts)
    told = [
        f"{where}: {found.version} ({found.learner}, {found.path})",
        f"judged on {counted(evaluation.samples, 'sample')} of {counted(evaluation.days, 'day')}; "
        f"{counted(found.seen, 'sample')} left out, of up to {known}: it has been trained on them",
    ]
    if not evaluation.samples:
        return (*told, "nothing is known of what it is worth: no sample is newer than its training")
    if evaluation.silent:
        told.append(
            f"it is silent on {counted(evaluation.silent, 'sample')}, where the null model speaks"
        )
    told.append(
        f"null model: a probability of {decimal(evaluation.null_probability, 3)} for all, the base "
        f"rate {_NULL_ORIGINS[found.null_origin]}; here it was "
        f"{estimate(evaluation.base_rate, 3)}"
    )
    told += [_ranking(evaluation.auc), _gain(evaluation.log_loss_gain)]
    told += [_calibration(evaluation.reliability.slope), _acceptance(found), _verdict(found)]
    return tuple(told)


def _ranking(auc: Figure) -> str:
    return _figure("AUC", auc, 3) + _side(
        auc,
        0.5,
        above="it ranks good signals above bad ones",
        below="it ranks good signals below bad ones",
        neither="no better than chance, 0.5, can be told",
    )


def _gain(gain: Figure) -> str:
    return _figure("log-loss gain over the null model", gain, 4, " nats", signed=True) + _side(
        gain,
        0.0,
        above="its probabilities are better",
        below="its probabilities are worse: let the signals pass through",
        neither="no skill here, the interval includes 0",
    )


def _calibration(slope: Figure) -> str:
    return _figure("calibration slope", slope, 2) + _side(
        slope,
        1.0,
        above="it is too timid, the truth is further from the base rate",
        below="it says too much, the truth is nearer to the base rate",
        neither="1, where probabilities mean what they say, is within",
    )


def _acceptance(found: Evaluated) -> str:
    accepted = found.evaluation.acceptance
    if accepted is None:
        return f"every signal is accepted (prediction_mode {found.mode}): there is no threshold"
    head = (
        f"{accepted.accepted:,} accepted at {accepted.threshold:g} ({share(accepted.share)}), with "
        f"{estimate(accepted.mean_r, 3, ' R', signed=True)} each; taking all: "
        f"{estimate(accepted.mean_r_all, 3, ' R', signed=True)}"
    )
    gain = accepted.utility_gain_r
    return (
        f"{head}\n"
        + _figure("utility over taking all", gain, 3, " R a signal", signed=True)
        + _side(
            gain,
            0.0,
            above="what it leaves out loses",
            below="what it leaves out would have earned",
            neither="nothing is gained or lost that chance does not explain",
        )
    )


def _verdict(found: Evaluated) -> str:
    if found.promoted:
        return "the gate: better than the null model"
    if found.reason == TOO_FEW_OUTCOMES:
        return f"the gate: {in_words(found.reason)}"
    return f"the gate: {in_words(found.reason)}; let the signals pass through"


def _figure(name: str, figure: Figure, digits: int, unit: str = "", *, signed: bool = False) -> str:
    return f"{name} {estimate(figure, digits, unit, signed=signed)}: "


def _side(figure: Figure, level: float, *, above: str, below: str, neither: str) -> str:
    """Which side of a level the whole interval lies on, or why that cannot be said."""
    if figure.low is None or figure.high is None:
        return figure.reason or "there is no interval"
    if figure.low > level:
        return above
    return below if figure.high < level else neither
