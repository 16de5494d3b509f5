"""The one error tree of Wayfinder.

    CdpError                 something the caller can act on; the message is one clear sentence
    ├── ConfigurationError   a setting, mapping file or rule file is wrong
    ├── InputError           a folder, file, line or field handed to us is wrong
    ├── NotFoundError        the thing asked for does not exist
    ├── ConflictError        the request contradicts what is stored (a newer version, a decision, a running process)
    │   └── BusyError        another process holds the writer lock
    ├── VersionMismatch      what is to be changed is not as it was when the caller read it
    ├── AccessError          the caller is unknown or may not do this
    ├── CheckFailed          a data contract or ledger does not hold; nothing was published
    └── ResourceError        the machine ran out of something (disk, memory)

Messages name the file, line or field and what to do. They never hold personal data: no names, mails, phones or values
of records. The CLI prints them and exits 1; the API turns them into RFC 9457 problem details.
"""

from __future__ import annotations

import errno

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# How engines and databases put it; SQLite calls a full disk an I/O error when it cannot extend its index of the log.
_NO_ROOM_WORDS = ("no space left", "disk is full", "disk full", "disk i/o error", "file too large", "quota exceeded")


class CdpError(Exception):
    """An error with one clear sentence for the person who caused or must repair it."""

    status = 500
    title = "Wayfinder could not do this"
    # Further faults of the same input, a sentence each, for somebody who repairs it at a terminal.
    more: tuple[str, ...] = ()

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(CdpError):
    """A setting, mapping file or rule file is wrong."""

    status = 500
    title = "Configuration is wrong"


class InputError(CdpError):
    """A folder, file, line or field handed to us is wrong."""

    status = 422
    title = "Input is wrong"


class NotFoundError(CdpError):
    """The thing asked for does not exist."""

    status = 404
    title = "Not found"


class ConflictError(CdpError):
    """The request contradicts what is stored."""

    status = 409
    title = "Conflict"


class BusyError(ConflictError):
    """Another process holds the writer lock."""

    title = "Busy"


class VersionMismatch(CdpError):
    """What is to be changed is not as it was when the caller read it."""

    status = 412
    title = "Version does not match"


class AccessError(CdpError):
    """The caller is unknown (401) or may not do this (403)."""

    title = "Access refused"

    def __init__(self, message: str, *, known: bool) -> None:
        super().__init__(message)
        self.status = 403 if known else 401


class CheckFailed(CdpError):
    """A data contract or ledger does not hold; nothing was published."""

    status = 500
    title = "A check failed"


class ResourceError(CdpError):
    """The machine ran out of something."""

    status = 507
    title = "Out of resources"


DISK_FULL = "The disk is full or cannot be written; free space and run again, nothing is lost."


def tells_of_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that there is no room to write, whichever library says it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        text = str(cause).lower()
        if (isinstance(cause, OSError) and cause.errno in _NO_ROOM) or any(word in text for word in _NO_ROOM_WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
