"""What an optimiser maximises: one figure of a performance, always a finite number."""

from streams.errors import ConfigError
from streams.strict import nearest
from trainers.statistics.performance import Performance

OBJECTIVES = ("sharpe_ratio", "calmar_ratio", "sortino_ratio", "profit_factor", "expectancy_r")
ALIASES = {
    "sharpe": "sharpe_ratio",
    "calmar": "calmar_ratio",
    "sortino": "sortino_ratio",
    "expectancy": "expectancy_r",
}

WORST = -10.0
BEST = 10.0
TRADES_MIN = 30


def objective_name(name: str) -> str:
    """Return the figure that `name` or its alias stands for.

    Raises ConfigError that names the nearest one.

    >>> objective_name("sortino")
    'sortino_ratio'
    """
    figure = ALIASES.get(name, name)
    if figure not in OBJECTIVES:
        raise ConfigError(f"objective {name!r} is unknown{nearest(name, (*OBJECTIVES, *ALIASES))}")
    return figure


def objective(performance: Performance, name: str, *, trades_min: int = TRADES_MIN) -> float:
    """Return what is maximised, in [WORST, BEST].

    The bounds keep one freak trial from dwarfing all the others in the importance of
    parameters. WORST is also what a ruin is worth, fewer than `trades_min` trades, and a figure
    that is not defined; BEST what a curve that gains and never loses is worth, whose ratio has
    no denominator. Raises ConfigError for an unknown name.
    """
    figure = objective_name(name)
    if performance.is_ruined or performance.trades < trades_min:
        return WORST
    value = getattr(performance, figure)
    if value is None:
        return BEST if _never_loses(performance, figure) else WORST
    return float(min(max(value, WORST), BEST))


def _never_loses(performance: Performance, figure: str) -> bool:
    if figure == "profit_factor":
        return performance.gross_profit > 0.0 == performance.gross_loss
    return performance.total_return > 0.0 == performance.max_drawdown
