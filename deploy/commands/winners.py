"""`assay winners`: the best runs of a research store, and what they are worth."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.sweep import DbOption
from deploy.options import JsonOption, LedgerOption, ledger_at
from deploy.output import Output

DEFAULT_OUTPUT = Path("winners.json")


def winners(
    db: DbOption,
    top_n: Annotated[int, typer.Option("--top-n", help="How many of each group.", metavar="N")] = 3,
    target: Annotated[
        Path, typer.Option("--output", help="Where they are written.", metavar="FILE")
    ] = DEFAULT_OUTPUT,
    objective: Annotated[
        str, typer.Option(help="What is the best.", metavar="NAME")
    ] = "sharpe_ratio",
    min_trades: Annotated[
        int, typer.Option("--min-trades", help="Runs with fewer do not compete.", metavar="N")
    ] = 30,
    per: Annotated[
        str,
        typer.Option(help="Groups: symbol, strategy, pair, or overall.", metavar="GROUP"),
    ] = "symbol",
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Those of all symbols together instead.")
    ] = False,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the best runs of every symbol, strategy or pair to a file for extraction.

    Each is told with the probability that luck does not explain it, given every trial there was.

    Exit status 1: no run has enough trades.

    Example: assay winners --db research.db --top-n 3 --output winners.json
    """
    from deploy.research.winners_table import honest_line, winners_table
    from streams.errors import DataError
    from trainers.research.trial_ledger import TrialLedger
    from trainers.sweeps.research_store import ResearchStore
    from trainers.sweeps.sweep_skill import trials_of
    from trainers.sweeps.winners import Choice, choose_winners, write_winners

    output = Output(as_json=as_json)
    choice = Choice(top_n, objective, min_trades, per, pooled)
    with ResearchStore(db, must_exist=True) as store, TrialLedger(ledger_at(ledger)) as counted:
        runs = store.runs()
        if not runs:
            raise DataError(f"{store.name} holds no runs yet: assay sweep --db {store.name}")
        trials = trials_of(runs, counted)
        found = choose_winners(runs, trials, choice, store.name)
    if not found.winners:
        output.say(
            f"none of {len(runs)} runs in {store.name} has {min_trades} trades and a "
            f"{found.objective}: lower --min-trades, or sweep more bars; {target} is not written"
        )
        output.document(found)
        raise typer.Exit(1)
    write_winners(found, target)
    title = f"the best {top_n} per {per}, by {found.objective}"
    output.show(winners_table(found.winners, title))
    output.say(honest_line(found.winners, found.trials))
    output.say(f"{len(found.winners)} winners in {target}")
    output.document(found)
