"""Commands of the marketer about the journey: findings and interventions."""

from __future__ import annotations

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings

journey = typer.Typer(help="Where customers are and where they get stuck.", no_args_is_help=True)
