"""The group of commands about the journey; what is in it is registered by the modules that know."""

from __future__ import annotations

import typer

journey = typer.Typer(help="Where customers are and where they get stuck.", no_args_is_help=True)
