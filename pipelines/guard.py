"""What a failing step may say.

Our own errors are one safe sentence and pass. Anything else could quote a record, so only its kind and place are told;
Dagster keeps errors for weeks.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from cdp.errors import CdpError, ResourceError


@contextmanager
def guarded(step: str, *, debug: bool = False) -> Iterator[None]:
    """Turn errors into a Dagster failure with one sentence; unexpected ones keep kind and place, never the message."""
    try:
        yield
    except CdpError as error:
        raise dg.Failure(description=error.message, allow_retries=isinstance(error, ResourceError)) from error
    except dg.Failure:
        raise
    except Exception as error:
        if debug:
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        described = CdpError(
            f"The step {step} failed unexpectedly ({type(error).__name__} in {place.name}, line {place.lineno} of "
            f"{place.filename.rsplit('/', 1)[-1]}). Nothing new was published; set CDP_LOG_LEVEL=DEBUG for the details."
        )
        raise dg.Failure(description=described.message) from described
