"""What Art. 15(1) asks beside the data: purposes, bases, periods, sources, receivers, the logic of conclusions, rights.

Taken from the inventory, which is also where the records of processing come from, for what is in the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from privacy.inventory.model import Inventory
from privacy.packages.content import Content, Part, Statement, Use
from privacy.packages.contents import Contents

ORIGINS = {
    "given": "you, or somebody for you",
    "observed": "seen of what you did",
    "derived": "worked out by our software",
    "technical": "made by our software",
}
# The tables in which a receiver's name stands.
_TOLD = ("store.deliveries", "store.destination_members")


def for_access(content: Content, inventory: Inventory, contents: Contents, withheld: Sequence[str]) -> Content:
    """The content of an access package; `withheld` are titles of tables left out because of doubtful records."""
    return replace(
        content,
        uses=tuple(_uses(content.parts, inventory)),
        sources=tuple(_sources(content.parts, contents)),
        recipients=tuple(_recipients(content.parts)),
        logic=tuple(Statement(title, text) for title, text in contents.logic.items()),
        statements=(
            Statement("Your rights", contents.statements["rights"]),
            Statement("Decisions by software", contents.statements["decisions"]),
        ),
        notes=_notes(content, contents),
        left_out=tuple(_left_out(content, inventory, contents, withheld)),
        topics=_topics(contents),
    )


def for_portability(content: Content, inventory: Inventory, contents: Contents) -> Content:
    """What the person gave, as it was received; nothing that was worked out."""
    parts = tuple(_given(part, inventory) for part in content.parts if part.portable)
    given = replace(content, parts=parts)
    return replace(
        given,
        uses=tuple(_uses(parts, inventory)),
        sources=tuple(_sources(parts, contents)),
        notes=_notes(content, contents),
        topics=_topics(contents),
    )


def _given(part: Part, inventory: Inventory) -> Part:
    """A part without columns whose category says that they were worked out."""
    kept = tuple(one for one in part.columns if inventory.categories[one.category].origin != "derived")
    names = {column.name for column in kept}
    rows = tuple({name: value for name, value in row.items() if name in names} for row in part.rows)
    return replace(part, columns=kept, rows=rows)


def _topics(contents: Contents) -> tuple[tuple[str, str, str], ...]:
    return tuple((one.key, one.title, one.about) for one in contents.topics)


def _notes(content: Content, contents: Contents) -> tuple[Statement, ...]:
    """That records were left out which may be the person's, as they have to know before they read the rest."""
    if not content.doubtful:
        return ()
    many = content.doubtful > 1
    looks = f"{content.doubtful} records look" if many else "One record looks"
    title = f"{looks} like yours, and we are not sure"
    return (Statement(title, contents.statements[f"doubtful_{content.kind}"].format(request=content.request)),)


def _uses(parts: Iterable[Part], inventory: Inventory) -> list[Use]:
    """Of the categories of which the package has a value; an empty column is nothing that is held."""
    present = {
        column.category
        for part in parts
        for column in part.columns
        if any(row.get(column.name) not in (None, "") for row in part.rows)
    }
    return [
        Use(
            category=one.key,
            about=one.about,
            origin=ORIGINS[one.origin],
            purposes=tuple(inventory.purposes[purpose] for purpose in one.purposes),
            legal_basis=one.legal_basis,
            retention=one.retention,
        )
        for one in inventory.categories.values()
        if one.personal and one.key in present
    ]


def _sources(parts: Iterable[Part], contents: Contents) -> list[str]:
    """Systems that delivered records, with the day of the first and last delivery."""
    received: dict[str, list[str]] = {}
    for part in parts:
        if part.name.startswith("raw."):
            source = part.name.removeprefix("raw.").partition("_")[0]
            received.setdefault(source, []).extend(str(row["loaded_at"])[:10] for row in part.rows)
    return [
        f"{contents.systems.get(source, source)}: received on {min(days)}"
        + (f", last on {max(days)}" if max(days) != min(days) else "")
        for source, days in sorted(received.items())
    ]


def _recipients(parts: Iterable[Part]) -> list[str]:
    found = {
        str(row.get("destination_title") or row.get("destination_key"))
        for part in parts
        if part.name in _TOLD
        for row in part.rows
    }
    return sorted(found)


def _left_out(content: Content, inventory: Inventory, contents: Contents, withheld: Sequence[str]) -> list[Statement]:
    said: dict[str, list[str]] = {}
    for name, why in contents.left_out.items():
        said.setdefault(why, []).append(name)
    found = [Statement(", ".join(names), why) for why, names in said.items()]
    found.append(Statement("Columns about staff and the machinery", contents.hidden_why))
    found.append(Statement("Files", "Files of ours repeat what the tables hold, on their way in or out."))
    found.append(Statement("Other people", "What is about other people in a record of yours, such as our staff."))
    if content.doubtful:
        found.append(
            Statement(
                "Records that may not be yours",
                "Records that look like yours, of which we are not sure, and what we worked out from them and yours "
                f"together: {', '.join(withheld)}.",
            )
        )
    return found


def in_words(
    rows: Iterable[Mapping[str, Any]], words: Mapping[str, tuple[str, Mapping[str, str]]]
) -> list[dict[str, Any]]:
    """Rows with what their keys stand for: `words` is new column → the column with the key, and the texts by key."""
    return [
        {**row, **{new: texts[row[key]] for new, (key, texts) in words.items() if row.get(key) in texts}}
        for row in rows
    ]
