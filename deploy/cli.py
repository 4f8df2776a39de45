"""The command `assay`.

Every command is one file under `deploy/commands/`. Their modules are light, and import what they
work with inside the command: a role's process must not load what it does not need.

Exit status: 0 done; 1 ran, and the result is negative, it failed or was stopped; 2 usage or input.
"""

import logging
import os
import signal
import sys
import traceback
from typing import Any

import typer

from deploy.bar_notices import BarNotices
from deploy.commands import (
    backtest,
    data,
    demo,
    drift,
    extract,
    learn,
    models,
    monitor,
    optimize,
    pipeline,
    policy,
    replay,
    run,
    samples,
    status,
    strategies,
    sweep,
    train,
    up,
    winners,
)
from streams.errors import AssayError, BrokerError, ConfigError, DataError

OK, NEGATIVE, USAGE = 0, 1, 2
STOPPED_BY_SIGNAL = 130
DEBUG = "ASSAY_DEBUG"

# Typer carries a copy of click of its own: its usage errors are found by inheritance.
_UsageError: Any = typer.BadParameter.__mro__[1]
_NO_ARGUMENTS = "NoArgsIsHelpError"

app = typer.Typer(
    name="assay",
    help="Tells a trading engine how much each of its signals is worth, while it trades.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in (
    demo.demo,
    up.up,
    run.run,
    replay.replay,
    backtest.backtest,
    train.train,
    extract.extract,
    sweep.sweep,
    winners.winners,
    pipeline.pipeline,
    optimize.optimize,
    learn.learn,
    policy.policy,
    monitor.monitor,
    status.status,
):
    app.command()(_command)
app.add_typer(data.app, name="data")
app.add_typer(strategies.app, name="strategies")
app.add_typer(models.app, name="models")
app.add_typer(samples.app, name="samples")
app.add_typer(drift.app, name="drift")


def main() -> None:
    """Run the command line of this process."""
    status = execute(sys.argv[1:])
    # Everything is said: a Ctrl-C from here on would only spoil the exit status.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


def execute(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    as_json = "--json" in arguments
    if not os.environ.get(DEBUG):
        # A command says what went wrong itself; a role sets up a log of its own.
        logging.getLogger().addHandler(logging.NullHandler())
    BarNotices.listen()
    try:
        # Exit is an exception when commands raise it, a return value when click does.
        result = app(args=arguments, prog_name="assay", standalone_mode=False)
        return _ended(result if isinstance(result, int) else OK, as_json)
    except typer.Exit as stop:
        return _ended(stop.exit_code, as_json)
    except _UsageError as error:
        if type(error).__name__ == _NO_ARGUMENTS:
            # Its message is the help of the command, in lines.
            sys.stderr.write(f"{error.format_message()}\n")
            return USAGE
        return _complain(f"{error.format_message()} (assay --help lists commands)", USAGE, as_json)
    except (ConfigError, DataError, BrokerError) as error:
        return _complain(str(error), USAGE, as_json)
    except AssayError as error:
        return _complain(str(error), NEGATIVE, as_json)
    except (KeyboardInterrupt, typer.Abort, SystemExit, BrokenPipeError) as stop:
        # The command line's library makes a SystemExit of a pipe that broke.
        if not isinstance(stop if isinstance(stop, OSError) else stop.__context__, BrokenPipeError):
            return _complain("stopped", NEGATIVE, as_json)
        # Whoever read our output has gone: nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        return _complain(f"the system refused: {error} ({DEBUG}=1 shows where)", NEGATIVE, as_json)
    except Exception as error:
        hint = f"this is a defect of Assay; {DEBUG}=1 shows where"
        first_line = str(error).partition("\n")[0]
        return _complain(f"{type(error).__name__}: {first_line}; {hint}", NEGATIVE, as_json)


def _ended(status: int, as_json: bool) -> int:
    """Return the exit status of a command that ended by itself, or by a Ctrl-C told by typer."""
    return _complain("stopped", NEGATIVE, as_json) if status == STOPPED_BY_SIGNAL else status


def _complain(message: str, status: int, as_json: bool) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    line = " ".join(message.split())
    sys.stderr.write(f"assay: {line}\n")
    if as_json:
        from deploy.output import Output

        Output(as_json=True).document({"error": line, "exit_code": status})
    return status


if __name__ == "__main__":
    main()
