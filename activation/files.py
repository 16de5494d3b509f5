"""File drops: a file per batch of messages, in a folder or an object store.

The name is made of the first and last message, so a batch that is sent again after a crash replaces itself. On a local
file system the file is written beside and renamed; object stores show an object only when it is complete.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

from activation.config import Files
from activation.message import Message
from activation.outcome import Outcome
from cdp.clock import wall_now
from cdp.errors import InputError
from cdp.wording import nearest

# Seconds after which nobody is writing a file any more: longer than a worker may have a queue.
_LEFT_AFTER = 3600
# What a spreadsheet would run as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_REMOVAL = ("message_id", "change", "profile_id", "at")
_NOTICE = (*_REMOVAL, "corrected")
_FIRST = ("message_id", "change", "segment", "member", "profile_id", "former_profile_id", "at")


def send(config: Files, destination: str, messages: Sequence[Message]) -> Outcome:
    """Write one file with all messages; notices and the news of erasures among them go into files of their own."""
    erased = [message for message in messages if message.told_as == "erased"]
    notices = [message for message in messages if message.is_notice]
    others = [message for message in messages if message.told_as != "erased" and not message.is_notice]
    outcome = Outcome("taken")
    if others:
        columns = (*_FIRST, *config.fields)
        outcome = _send(config, destination, [message.row() for message in others], columns, others)
    if notices and outcome.result == "taken":
        columns = (*_NOTICE, *config.fields)
        rows = [_notice(message) for message in notices]
        outcome = _send(config, f"{destination}-notices", rows, columns, notices)
    if erased and outcome.result == "taken":
        rows = [{name: message.row()[name] for name in _REMOVAL} for message in erased]
        outcome = _send(config, f"{destination}-erased", rows, _REMOVAL, erased)
    return outcome


def _notice(message: Message) -> dict[str, Any]:
    row = message.row()
    return {**{name: row[name] for name in _REMOVAL}, "corrected": list(message.corrected), **message.fields}


def _send(
    config: Files, name: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], messages: Sequence[Message]
) -> Outcome:
    content = _csv(rows, columns) if config.format == "csv" else _ndjson(rows)
    first, last = messages[0].delivery.id, messages[-1].delivery.id
    name = f"{name}-{first:012}-{last:012}.{config.format}"
    try:
        if "://" in config.folder:
            _put(f"{config.folder.rstrip('/')}/{name}", content)
        else:
            _write(Path(config.folder), name, content)
    # Each object store has errors of its own.
    except Exception as error:
        return Outcome("retry", _told(error))
    return Outcome("taken")


def require_place(config: Files) -> None:
    """InputError for an address that nothing here can write to."""
    protocol, separator, _ = config.folder.partition("://")
    if not separator:
        return
    import fsspec

    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        # fsspec names the package: "Install s3fs to access S3".
        raise InputError(f"Destination, folder: {protocol[:20]}:// cannot be written to yet: {error}.") from None
    except ValueError:
        near = nearest(protocol, fsspec.available_protocols())
        raise InputError(f"Destination, folder: {protocol[:20]}:// is no address of a store.{near}") from None


def reach(config: Files, destination: str) -> Outcome:
    """Whether a file can be put there: an empty one under the name of a test, which each test replaces."""
    name = f"{destination}-test.{config.format}"
    try:
        if "://" in config.folder:
            _put(f"{config.folder.rstrip('/')}/{name}", b"")
        else:
            _write(Path(config.folder), name, b"")
            (Path(config.folder) / name).unlink()
    # Each object store has errors of its own.
    except Exception as error:
        return Outcome("retry", _told(error))
    return Outcome("taken")


def _write(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.partial"
    with partial.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(folder / name)
    # What a killed worker left half written goes: its messages are in a file of another name by now.
    for left in folder.glob(f".{escape(name.rsplit('-', 2)[0])}-*.partial"):
        with suppress(FileNotFoundError):
            if wall_now().timestamp() - left.stat().st_mtime > _LEFT_AFTER:
                left.unlink()


def _put(address: str, content: bytes) -> None:
    import fsspec

    with fsspec.open(address, "wb") as handle:
        handle.write(content)


def _told(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "no_permission"
    if isinstance(error, ImportError | ValueError):
        return "unknown_address"
    return "disk" if isinstance(error, OSError) else "store_refused"


def _ndjson(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
