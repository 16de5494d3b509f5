"""What a failing step may say.

Our own errors are one safe sentence and pass. Anything else could quote a record, so only its kind and place are told;
Dagster keeps errors for weeks. With CDP_LOG_LEVEL=DEBUG the error itself goes to stderr, and nowhere else.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from cdp.errors import DISK_FULL, CdpError, ResourceError, tells_of_full_disk

_log = logging.getLogger("wayfinder.run")


@contextmanager
def guarded(step: str) -> Iterator[None]:
    """Turn errors into a Dagster failure with one sentence; unexpected ones keep kind and place, never the message."""
    try:
        yield
    except CdpError as error:
        raise dg.Failure(description=error.message, allow_retries=isinstance(error, ResourceError)) from error
    except dg.Failure:
        raise
    except Exception as error:
        _log.debug("the step %s failed", step, exc_info=error)
        described = _described(step, error)
        raise dg.Failure(description=described.message) from described


def _described(step: str, error: Exception) -> CdpError:
    if tells_of_full_disk(error):
        return ResourceError(DISK_FULL)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return CdpError(
        f"The step {step} failed unexpectedly ({type(error).__name__} in {place.name}, line {place.lineno} of "
        f"{place.filename.rsplit('/', 1)[-1]}). Nothing new was published; set CDP_LOG_LEVEL=DEBUG for the details."
    )
