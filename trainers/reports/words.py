"""Figures in words, the same in tables of the terminal and in pages."""

from trainers.statistics.performance import Performance
from trainers.statistics.sharpe import CONFIDENCE, DeflatedSharpe, probabilistic_sharpe


def share(value: float | None) -> str:
    """Return a share in percent, "-" for none.

    >>> share(0.1234), share(-0.0001), share(None)
    ('12.3%', '0.0%', '-')
    """
    # + 0.0: no minus before a zero.
    return "-" if value is None else f"{round(value, 3) + 0.0:.1%}"


def number(value: float | None, unit: str = "") -> str:
    """Return a figure with two digits and its unit, "-" for none."""
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}{unit}"


def conclusion(found: Performance, deflated: DeflatedSharpe | None = None) -> str:
    """Return in one sentence what the figures of one backtest are worth.

    By themselves, or after all trials, where `deflated` is given.
    """
    if not found.trades:
        return "no trade was closed: there is nothing to judge"
    chance = chance_of_skill(found)
    if chance is None:
        return "the returns do not vary: there is nothing to judge"
    if deflated is not None and deflated.trials > 1:
        told = (
            f"deflated by {deflated.trials:,.0f} trials, the probability that the Sharpe ratio is "
            f"more than luck is {_chance(deflated.probability)}"
        )
        return told if deflated.probability >= CONFIDENCE else f"{told}: no evidence of skill"
    told = f"the probability that the true Sharpe ratio is above 0 is {_chance(chance)}"
    if chance < CONFIDENCE:
        return f"{told}: no evidence of skill"
    return f"{told}, if this was the first and only trial: others have to be counted"


def _chance(chance: float) -> str:
    """Nothing is certain: what would be rounded to 0 or 1 is said to be beyond .01 or .99."""
    if chance > 0.99:
        return "more than .99"
    return "less than .01" if chance < 0.01 else f"{chance:.2f}"


def chance_of_skill(found: Performance) -> float | None:
    """Return the probabilistic Sharpe ratio against 0, None where it is not defined."""
    sharpe = found.period_sharpe
    if sharpe is None or found.skew is None or found.kurtosis is None:
        return None
    return probabilistic_sharpe(sharpe, found.periods, skew=found.skew, kurtosis=found.kurtosis)
