"""What people do about identity on the command line: decide, and see their decisions carried out; review; explain.

Deciding writes to the store's log and is judged by what is served; carrying out is a run that begins at identity. The
API writes to the same log and leaves carrying out to the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cdp.clock import wall_now
from cdp.domain import audited
from cdp.domain.decisions import Author, Decision, HubAction
from cdp.errors import BusyError, CdpError, NotFoundError
from cdp.settings import Settings
from pipelines.auditing import note_down
from pipelines.context import Progress, quiet
from pipelines.run import RunReport, run_pipeline

if TYPE_CHECKING:
    import duckdb

    from cdp.store.base import Store
    from identity.explain import Compared, Explanation
    from identity.history import History
    from identity.hub_list import Hub
    from identity.review import Question

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Desk:
    """What a decision is made with: the store, and who is who as it is served."""

    store: Store
    served: duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Decided:
    """A decision and what became of it; `profiles` hold its records now, `reason` says why it waits for a run."""

    decision: dict[str, Any]
    carried_out: bool
    profiles: list[str]
    reason: str | None = None
    run: RunReport | None = None


@contextmanager
def desk(settings: Settings) -> Iterator[Desk]:
    """The store and the served snapshot. NotFoundError before the first publication."""
    from cdp.store import open_store, snapshots

    with open_store(settings.database_url) as store:
        current = store.current_publication()
        if current is None:
            raise NotFoundError("Nothing is published yet: run `cdp run --from DIR` first.")
        with snapshots.open_snapshot(settings.serving / current.snapshot_file) as served:
            yield Desk(store, served)


def signed(name: str | None, note: str | None) -> Author:
    """The author of what a command says."""
    return Author(name or COMMAND_LINE, wall_now(), note)


@dataclass(frozen=True)
class Way:
    """Who decides, and whether the decision is carried out at once, with progress."""

    author: Author
    at_once: bool
    progress: Progress = quiet


def merge(settings: Settings, a: str, b: str, way: Way) -> Decided:
    """Two profiles, or the profiles of two records, are one person."""
    from identity import decisions

    return _decide(settings, way, lambda at: decisions.merge(at.store.decisions, at.served, a, b, way.author))


def split(settings: Settings, profile: str, records: list[str], way: Way) -> Decided:
    """These records of a profile are another person."""
    from identity import decisions

    return _decide(
        settings, way, lambda at: decisions.split(at.store.decisions, at.served, profile, records, way.author)
    )


def answer(settings: Settings, record_a: str, record_b: str, way: Way, *, same: bool) -> Decided:
    """Two records are, or are not, one person."""
    from identity import decisions

    return _decide(
        settings,
        way,
        lambda at: decisions.answer(at.store.decisions, at.served, record_a, record_b, same=same, author=way.author),
    )


def withdraw(settings: Settings, decision_id: str, way: Way) -> Decided:
    """A decision is taken back."""
    from identity import decisions

    return _decide(settings, way, lambda at: decisions.withdraw(at.store.decisions, decision_id, way.author))


def _decide(settings: Settings, way: Way, how: Callable[[Desk], Decision]) -> Decided:
    """Write or withdraw a decision and, when wanted and possible, carry it out at once.

    Another run that is going is no failure: the decision then waits for the next one. Any other failure to carry it out
    is told together with the fact that the decision stands.
    """
    with desk(settings) as found:
        decision = how(found)
        _audit(found.store, decision)
    report, reason = _carry_out(settings, decision, way.progress) if way.at_once else (None, None)
    with desk(settings) as found:
        return Decided(
            _facts(found, decision), report is not None, _profiles(found, decision), reason=reason, run=report
        )


def list_decisions(settings: Settings, *, active_only: bool, limit: int) -> list[dict[str, Any]]:
    """Decisions, newest first, each with when it counts."""
    with desk(settings) as found:
        return [_facts(found, d) for d in found.store.decisions.listed(active_only=active_only, limit=limit)]


def list_questions(settings: Settings, limit: int) -> list[Question]:
    """The review queue."""
    from identity import review

    with desk(settings) as found:
        rows = review.review_queue(found.served, found.store.decisions.rulings().links, limit=limit)
        seen = audited.named(one for row in rows for one in (row.profile_a, row.profile_b))
        note_down(found.store, "identity.review", "queue", rows=len(rows), **seen)
        return rows


def explain(settings: Settings, record_a: str, record_b: str) -> tuple[Explanation, list[Compared]]:
    """Why two records are one person or not, and what they say field by field."""
    from identity import explain as explaining

    with desk(settings) as found:
        told = explaining.explain(found.served, found.store.decisions.rulings().links, record_a, record_b)
        for profile in sorted({told.profile_a, told.profile_b}):
            note_down(found.store, "identity.explain", profile, personal=True)
        return told, explaining.side_by_side(found.served, record_a, record_b)


def read_history(settings: Settings, profile_id: str) -> History:
    """What became of a profile id."""
    from identity.history import history

    with desk(settings) as found:
        return history(found.served, profile_id)


def list_hubs(settings: Settings) -> list[Hub]:
    """Values that many people share, with what people say of them."""
    from identity import hub_list

    with desk(settings) as found:
        return hub_list.listing(found.served, found.store.decisions.rulings().hub_edits)


def edit_hub(settings: Settings, kind: str, value: str, action: HubAction, author: Author) -> str:
    """Say what a shared value is; the value as it is compared."""
    from identity import hub_list

    with desk(settings) as found:
        edited = hub_list.edit(found.store.decisions, found.served, kind, value, action=action, author=author)
        note_down(found.store, f"identity.hub.{action}", kind)
        return edited.value


def _carry_out(settings: Settings, decision: Decision, progress: Progress) -> tuple[RunReport | None, str | None]:
    try:
        return run_pipeline(settings, None, progress=progress), None
    except BusyError as error:
        return None, error.message
    except CdpError as error:
        raise CdpError(
            f"Decision {decision.decision_id} is {'written' if decision.active else 'withdrawn'} and takes effect at "
            f"the next run, but carrying it out now failed: {error.message}"
        ) from error


def _facts(found: Desk, decision: Decision) -> dict[str, Any]:
    from identity import rulings

    done = {link.decision_id for link in rulings.carried_out(found.served)}
    return {**asdict(decision), "effective": rulings.effect(decision, done)}


def _profiles(found: Desk, decision: Decision) -> list[str]:
    """The profiles that hold the records of a decision, as served."""
    from identity.decisions import profile_of_record

    profiles = set()
    for record in {record for link in decision.links for record in (link.record_a, link.record_b)}:
        # A record may have been deleted since the decision was written.
        try:
            profiles.add(profile_of_record(found.served, record))
        except NotFoundError:
            continue
    return sorted(profiles)


def _audit(store: Store, decision: Decision) -> None:
    action = f"identity.{decision.kind}" if decision.active else "identity.withdraw"
    note_down(store, action, decision.decision_id)
