"""dbt's manifest after a kill."""

from __future__ import annotations

from pathlib import Path

from cdp.settings import load_settings
from pipelines import manifest


def test_a_manifest_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    path = manifest.ensure_manifest(settings)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not manifest._is_whole(path)
    assert manifest._is_whole(manifest.ensure_manifest(settings))
