"""The root command and how errors end: one sentence on stderr, exit code 1; a wrong call is exit code 2."""

from __future__ import annotations

import logging
import os
import sys
import traceback

import typer

from cdp import __version__
from cdp.cli import (
    audit,
    consent,
    data,
    deliveries,
    demo,
    destinations,
    evidence,
    identity,
    insights,
    journeys,
    privacy,
    segments,
    serving,
    standing,
    triggers,
)
from cdp.cli.output import note
from cdp.errors import DISK_FULL, CdpError, tells_of_full_disk

# As shells say it of SIGINT; Typer ends with it too.
INTERRUPTED = 130

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
standing.register(insights.journey)
app.add_typer(demo.app, name="demo")
app.add_typer(identity.app, name="identity")
evidence.register(insights.journey)
journeys.register(insights.journey)
app.add_typer(insights.journey, name="journey")
app.add_typer(segments.app, name="segment")
app.add_typer(destinations.app, name="destination")
deliveries.register(app)
app.add_typer(triggers.app, name="triggers")
app.add_typer(data.quarantine, name="quarantine")
consent.register_restriction(privacy.app)
app.add_typer(privacy.app, name="privacy")
app.add_typer(consent.app, name="consent")
app.add_typer(audit.app, name="audit")
app.add_typer(serving.keys, name="keys")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Wayfinder: one trustworthy profile per person, and where each of them is on the journey."""
    if version:
        typer.echo(__version__)
        raise typer.Exit()
    from cdp.settings import calm_matrices

    calm_matrices()


def _told(error: Exception) -> int:
    """Tell a wrong call, or in one sentence what no code of ours expected, and return the exit code.

    Messages of libraries can quote a record, so only the kind and place of an error is told.
    """
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return int(getattr(error, "exit_code", 2))
    logging.getLogger("wayfinder.cli").debug("unforeseen", exc_info=error)
    if tells_of_full_disk(error):
        note(f"cdp: {DISK_FULL}")
    elif isinstance(error, OSError) and error.filename:
        note(f"cdp: {error.filename}: {error.strerror}.")
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} in {place.name}, line {place.lineno} of {place.filename.rsplit('/', 1)[-1]}"
        note(f"cdp: This failed unexpectedly ({kind}); set CDP_LOG_LEVEL=DEBUG for the details.")
    return 1


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    code = _code(arguments)
    if code == INTERRUPTED:
        note("cdp: interrupted; nothing is lost, run the same command again.")
    return code


def _code(arguments: list[str]) -> int:
    try:
        result = app(arguments, standalone_mode=False)
    except CdpError as error:
        for line in (f"cdp: {error.message}", *error.more):
            note(line)
        return 1
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _told(error)
    return result if isinstance(result, int) else 0
