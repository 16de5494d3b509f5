"""Settings for commands, loaded when a command runs: reading them costs more than showing the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdp.settings import Settings


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment; `overrides` win."""
    from cdp.settings import load_settings as load

    return load(**overrides)
