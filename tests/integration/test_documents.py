"""Documents of profiles, made from the snapshot of a demo world."""

from __future__ import annotations

from cdp.store import snapshots
from pipelines.publishing import documents
from tests.support.home import Home


def test_documents_are_the_same_however_many_are_made_in_one_go(demo_home: Home) -> None:
    served = snapshots.current(demo_home.path / "serving")
    assert served is not None
    with snapshots.open_snapshot(served) as connection:
        whole = list(documents(connection))
        for at_a_time in (1_000_000, 97):
            assert list(documents(connection, at_a_time=at_a_time)) == whole
        living = connection.execute("select profile_id from marts.profiles order by profile_id").fetchall()
    assert [(one.profile_id,) for one in whole] == living and len(living) > 97
