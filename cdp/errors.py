"""The one error tree of Wayfinder.

    CdpError                 something the caller can act on; the message is one clear sentence
    ├── ConfigurationError   a setting, mapping file or rule file is wrong
    ├── InputError           a folder, file, line or field handed to us is wrong
    ├── NotFoundError        the thing asked for does not exist
    ├── ConflictError        the request contradicts what is stored (a newer version, a decision, a running process)
    │   └── BusyError        another process holds the writer lock
    ├── AccessError          the caller is unknown or may not do this
    ├── CheckFailed          a data contract or ledger does not hold; nothing was published
    └── ResourceError        the machine ran out of something (disk, memory)

Messages name the file, line or field and what to do. They never hold personal data: no names, mails, phones or values
of records. The CLI prints them and exits 1; the API turns them into RFC 9457 problem details.
"""

from __future__ import annotations


class CdpError(Exception):
    """An error with one clear sentence for the person who caused or must repair it."""

    status = 500
    title = "Wayfinder could not do this"

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
