"""`assay strategies`: what strategies there are, and what each does."""

import re
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import JsonOption
from deploy.output import Output

if TYPE_CHECKING:
    from engine.strategy import Strategy

LINE_WIDTH_MAX = 100
INDENT = "  "
LABEL = re.compile(r"\n(?=(?:Entry|Exit|Technical score|Warm-up|Source):)")

app = typer.Typer(help="The strategies there are.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Say what strategies there are."""


@app.command(name="list")
def list_strategies(as_json: JsonOption = False) -> None:
    """List the strategies: which sides they trade, parameters, defaults, ranges.

    `search` is where an optimisation looks unless it is told otherwise.

    Example: assay strategies list --json
    """
    from engine.strategy import load_strategy, strategy_names

    output = Output(as_json=as_json)
    found = [_described(load_strategy(name)) for name in strategy_names()]
    for described in found:
        _say_head(output, described)
        _say_parameters(output, described)
        output.say("")
    output.say("external: an engine publishes its own signals; it has no file and no parameters")
    output.document({"strategies": found})


@app.command(name="show")
def show_strategy(
    name: Annotated[str, typer.Argument(help="Its name, as `assay strategies list` has it.")],
    as_json: JsonOption = False,
) -> None:
    """Show one strategy: its rule, parameters and indicators, and how to configure it.

    Example: assay strategies show breakout
    """
    from deploy.parameters import words_of
    from engine.strategy import load_strategy

    output = Output(as_json=as_json)
    strategy = load_strategy(name)
    described = _described(strategy)
    described["documentation"] = strategy.documentation
    output.say(f"{name} ({described['sides_text']})\n")
    _say_documentation(output, strategy.documentation)
    _say_parameters(output, described)
    if described["indicators"]:
        output.say("")
        _say_wrapped(output, f"Indicators: {', '.join(described['indicators'])}")
    output.say(f"\nIn a run file:\n{INDENT}strategy: {name}\n{INDENT}params:")
    for parameter in described["parameters"]:
        output.say(f"{INDENT * 2}{parameter['name']}: {words_of(parameter['default'])}")
    output.document(described)


def _described(strategy: "Strategy") -> dict[str, Any]:
    from deploy.parameters import parameters_of

    is_default = strategy.sides(strategy.decode_params({}, strategy.name))
    words = {(1,): "long", (-1,): "short", (1, -1): "long and short"}
    on_request = "" if -1 in is_default else "; shorts with shorts: true"
    summary = strategy.documentation.partition("\n\n")[0].partition(": ")[2].replace("\n", " ")
    return {
        "name": strategy.name,
        "summary": summary[:1].upper() + summary[1:],
        "sides": list(is_default),
        "sides_text": words[is_default] + on_request,
        "parameters": parameters_of(strategy.params_type),
        "indicators": list(strategy.indicator_names),
    }


def _say_head(output: Output, described: dict[str, Any]) -> None:
    output.say(f"{described['name']} ({described['sides_text']})")
    _say_wrapped(output, described["summary"], indent=INDENT)


def _say_documentation(output: Output, text: str) -> None:
    """Write it paragraph by paragraph, within the width; `Entry:` and its like begin a line."""
    for paragraph in text.split("\n\n"):
        for item in LABEL.split(paragraph):
            _say_wrapped(output, item, hanging=INDENT if LABEL.match(f"\n{item}") else "")
        output.say("")


def _say_wrapped(output: Output, text: str, *, indent: str = "", hanging: str = "") -> None:
    width = min(output.console.width, LINE_WIDTH_MAX)
    for line in textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
    ):
        output.say(line)


def _say_parameters(output: Output, described: dict[str, Any]) -> None:
    """Write the parameters in columns, as wide as this strategy's own need to be."""
    from deploy.parameters import search_in_words, words_of

    rows = [("parameter", "default", "allowed", "search")]
    for one in described["parameters"]:
        search = search_in_words(one["search"])
        rows.append((one["name"], words_of(one["default"]), one["allowed"], search))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        output.say((INDENT * 2 + INDENT.join((*cells, row[3]))).rstrip())
