"""Settings for commands, loaded when a command runs: reading them costs more than showing the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdp.cli.output import log_to_stderr

if TYPE_CHECKING:
    from cdp.settings import Settings


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment; `overrides` win."""
    from cdp.settings import load_settings as load

    settings = load(**overrides)
    log_to_stderr(settings.log_level)
    return settings
