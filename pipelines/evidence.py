"""Interventions on the command line: what people fill in, kept in a file of the state home, and whom one is for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.errors import InputError
from cdp.settings import Settings
from pipelines.consents import gate
from pipelines.derive import INTERVENTIONS
from pipelines.journeys import WrittenSegment, opened, segment_key, write_document

if TYPE_CHECKING:
    from journeys.audience import Audience
    from journeys.interventions.catalogue import Entry


def edit_intervention(settings: Settings, key: str, changes: dict[str, Any]) -> Entry:
    """Keep what a person filled in for one intervention."""
    from journeys.interventions import catalogue

    return catalogue.edit(settings.home / INTERVENTIONS, key, changes)


def write_audience(settings: Settings, key: str, audience: Audience, out: Path) -> WrittenSegment:
    """The people that an intervention begins with as a segment definition, within an audience.

    NotFoundError for an unknown intervention, InputError where a definition cannot say who the audience is.
    """
    from journeys.audience import resolve, titled
    from journeys.behind import listed, of_audience
    from journeys.interventions import catalogue
    from segments.document import dump, parse
    from segments.fitting import fitting
    from segments.library import load
    from segments.listed import allowed_of
    from segments.partition import first_of

    entry = catalogue.find(settings.home / INTERVENTIONS, key)
    if entry.segment is None:
        raise InputError(f"{key} does not say whom to begin with: add a `segment` to it in {INTERVENTIONS}.")
    purpose = entry.segment.purpose
    document = {"key": segment_key(out.stem), "title": entry.named("en")[:120], "purpose": purpose}
    whole = parse({**document, "where": entry.segment.where})
    with opened(settings) as served:
        chosen = titled(audience, served.store)
        where = of_audience(chosen, dump(whole)["where"], served.as_of)
        if where is None:
            raise InputError("A segment can only be written for everybody, a segment or a persona, up to now.")
        scope = resolve(served.connection, chosen, as_of=served.as_of, store=served.store)
        library = {one.key: one for one in fitting(served.connection, load())[0]}
        first_of(served.connection, [whole], "begun_with", as_of=served.as_of, library=library)
        sql = f"select profile_id from begun_with inner join {scope.relation} using (profile_id) where key is not null"
        found = allowed_of(
            served.connection,
            listed(served.connection, sql, {}),
            purpose=purpose,
            as_of=served.as_of,
            limit=0,
            gate=gate(served.store, served.connection)[0],
        )
    write_document(out, {**document, "where": dump(parse({**document, "where": where}))["where"]})
    return WrittenSegment(out, "definition", document["key"], purpose, found.size, found.held_back)
