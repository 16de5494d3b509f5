"""Entry point of the `cdp` command: errors become one sentence on stderr and exit code 1."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    from cdp.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
