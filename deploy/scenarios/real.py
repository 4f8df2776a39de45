"""Real daily bars of five US stocks: trained on 2000 to 2007, replayed from 2008 on."""

from datetime import UTC, datetime

from deploy.config import RunSettings
from deploy.scenario import Scenario
from streams.source import bar_frames

RETRAIN_YEARS = (2010, 2012)
WARM_UP_INSTANTS = 300


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


FROM_NS = _new_year(2008)


def load(settings: RunSettings) -> Scenario:
    """Return the scenario on the bars that `settings` names."""
    instants = list(bar_frames(settings.data.source_settings()))
    training = [instant for instant in instants if instant[0].ts < FROM_NS]
    rest = instants[len(training) :]
    symbols = sorted({bar.symbol for instant in instants for bar in instant})
    years = f"{_year(rest[0][0].ts)} to {_year(rest[-1][0].ts)}"
    return Scenario(
        title=f"{', '.join(symbols)}, daily, replayed {years}",
        training=training,
        replayed=training[-WARM_UP_INSTANTS:] + rest,
        from_ts=FROM_NS,
        retrain_ts=tuple(_new_year(year) for year in RETRAIN_YEARS),
    )


def _year(ts: int) -> int:
    return datetime.fromtimestamp(ts / 1e9, UTC).year
