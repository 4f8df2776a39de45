"""`assay strategies`: what strategies there are."""

from typing import Any

import typer

from deploy.options import JsonOption
from deploy.output import Output

app = typer.Typer(help="The strategies there are.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Say what strategies there are."""


@app.command(name="list")
def list_strategies(as_json: JsonOption = False) -> None:
    """List the built-in strategies with their parameters, defaults and ranges.

    Example: assay strategies list --json
    """
    from deploy.parameters import parameters_of
    from engine.strategy import load_strategy, strategy_names

    output = Output(as_json=as_json)
    found: list[dict[str, Any]] = []
    for name in strategy_names():
        strategy = load_strategy(name)
        parameters = parameters_of(strategy.params_type)
        found.append({"name": name, "summary": _summary(name), "parameters": parameters})
        output.say(f"{name}: {found[-1]['summary']}")
        for parameter in parameters:
            default, allowed = parameter["default"], parameter["allowed"]
            output.say(f"    {parameter['name']} = {default}    {allowed}")
    output.say("external: an engine publishes its own signals")
    output.document({"strategies": found})


def _summary(name: str) -> str:
    import importlib
    import inspect

    text = inspect.getdoc(importlib.import_module(f"engine.strategies.{name}")) or ""
    return " ".join(text.partition("\n\n")[0].partition("\n")[0].split())
