"""The root command and how errors end: one sentence on stderr, exit code 1; a wrong call is exit code 2."""

from __future__ import annotations

import os
import sys

import typer

from cdp import __version__
from cdp.cli import data, demo, evidence, identity, insights, privacy, serving
from cdp.cli.output import note
from cdp.errors import CdpError

app = typer.Typer(
    name="cdp",
    help="Wayfinder: one trustworthy profile per person, and where each of them is on the journey.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data.register(app)
serving.register(app)
app.add_typer(demo.app, name="demo")
app.add_typer(identity.app, name="identity")
evidence.register(insights.journey)
app.add_typer(insights.journey, name="journey")
app.add_typer(insights.segment, name="segment")
app.add_typer(data.quarantine, name="quarantine")
app.add_typer(privacy.app, name="privacy")
app.add_typer(serving.keys, name="keys")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Wayfinder: one trustworthy profile per person, and where each of them is on the journey."""
    if version:
        typer.echo(__version__)
        raise typer.Exit()


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        result = app(arguments, standalone_mode=False)
    except CdpError as error:
        note(f"cdp: {error.message}")
        return 1
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        note("cdp: interrupted; nothing is lost, run the same command again.")
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return result if isinstance(result, int) else 0
