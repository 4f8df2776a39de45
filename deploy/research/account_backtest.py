"""The portfolio of a run: its strategies on its bars, with its models, on shared capital."""

import os
from pathlib import Path

import msgspec

from deploy.config import RunSettings
from deploy.research.run_market import RunMarket, strategies_on_bars
from engine.instrument_book import InstrumentBook
from models.feature_set import load_feature_set
from streams.errors import ConfigError
from trainers.reports.backtest_page import write_backtest_page
from trainers.research.backtest_frames import equity_frame, trades_frame
from trainers.research.instruments import read_instruments
from trainers.research.portfolio_backtest import PortfolioBacktest, run_backtest


def account_backtest(settings: RunSettings, market: RunMarket) -> PortfolioBacktest:
    """Return the backtest of the run's strategies; one that is external, or of other bars, has no
    part in it. Raises ConfigError where nothing is left to trade.
    """
    strategies = strategies_on_bars(settings)
    if not strategies:
        raise ConfigError(
            f"a portfolio needs a strategy with a rule of its own on {settings.data.interval} "
            "bars, there is none"
        )
    instruments = msgspec.structs.replace(
        strategies[0].instruments or read_instruments(), session=settings.data.session
    )
    return run_backtest(
        strategies,
        market.history,
        InstrumentBook(instruments),
        settings.portfolio,
        load_feature_set(),
        market.contexts,
        market.models,
        threads=os.cpu_count() or 1,
    )


def make_folder(folder: Path) -> None:
    """Make the folder of `--output-dir`. Raises ConfigError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_be_written(folder, error) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _cannot_be_written(folder, PermissionError("permission denied"))


def write_backtest(backtest: PortfolioBacktest, name: str, folder: Path) -> tuple[Path, ...]:
    """Write trades and equity as CSV and Parquet, and the page; return their paths.

    Raises ConfigError for a folder that cannot be written.
    """
    make_folder(folder)
    paths: list[Path] = []
    try:
        for table, frame in (
            ("trades", trades_frame(backtest)),
            ("signals", trades_frame(backtest, only_taken=False)),
            ("equity", equity_frame(backtest)),
        ):
            frame.write_csv(folder / f"{table}.csv")
            frame.write_parquet(folder / f"{table}.parquet")
            paths += [folder / f"{table}.csv", folder / f"{table}.parquet"]
        page = folder / "report.html"
        write_backtest_page(backtest, name, page)
    except OSError as error:
        raise _cannot_be_written(folder, error) from None
    return (*paths, page)


def _cannot_be_written(folder: Path, error: OSError) -> ConfigError:
    why = error.strerror or error
    return ConfigError(f"--output-dir must be a folder that can be written, was {folder}: {why}")
