"""Settings for commands, loaded when a command runs: reading them costs more than showing the help."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cdp.cli.output import log_to_stderr, note

if TYPE_CHECKING:
    from cdp.settings import Settings


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment; `overrides` win."""
    from cdp.settings import load_settings as load

    settings = load(**overrides)
    warn_of_unknown_variables()
    log_to_stderr(settings.log_level)
    return settings


@cache
def warn_of_unknown_variables() -> None:
    """Say once what is set but read by nobody: a mistyped setting would leave the default in force unnoticed."""
    from cdp.settings import unknown_variables

    for name, nearest in unknown_variables().items():
        advice = f"did you mean {nearest}?" if nearest else "see .env.example for those there are."
        note(f"cdp: {name} is no setting and is ignored; {advice}")
