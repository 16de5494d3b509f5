"""Twenty-five people whose every value is a marker, delivered among others in all sources and left all over a home.

`deliver` adds them to a world, `plant` leaves their values in the other places of a home, in every encoding in which
text hides in files. `found` tells which markers are still somewhere; `rows` dumps every table, so that what belongs to
everyone else can be compared.
"""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import random
import re
import shutil
import sqlite3
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cdp.settings import load_settings
from privacy.inventory.load import load
from privacy.verify.decode import views
from privacy.verify.home import scan
from privacy.verify.needles import Needle, patterns
from privacy.verify.search import Searcher
from tests.support.home import Home

Rows = Counter[str]
COUNT = 25
_LETTERS = ("bdfgklmnprstvz", "aeiou")
_AT = "2025-0{month}-0{day}T10:11:12.000Z"


@dataclass
class Subject:
    """One marked person; `markers` are all values that are nobody else's."""

    number: int
    given: str
    family: str
    phone: str
    local: str
    device: str
    user: str
    member: str
    markers: list[str] = field(default_factory=list)

    @property
    def mail(self) -> str:
        """The mailbox in normal form."""
        return f"{self.local}@zqmarked.org"

    def id(self, kind: int) -> str:
        """The number of a record: contact, deal, requester, ticket."""
        return f"{kind}{self.number:02d}4711"

    def mark(self, text: str) -> str:
        """Remember a value as one that is nobody else's."""
        self.markers.append(text)
        return text


def subjects() -> list[Subject]:
    """The same people each time; names differ enough to be matched with nobody."""
    chance = random.Random(25)

    def word(size: int) -> str:
        return "".join(chance.choice(_LETTERS[place % 2]) for place in range(size)).capitalize()

    found = []
    for number in range(1, COUNT + 1):
        given, family = word(7) + ("é" if number % 3 == 0 else "o"), word(11) + "øa"[number % 2]
        plain = word(9).lower()
        one = Subject(number, given, family, f"415{chance.randrange(2_000_000, 9_999_999)}", f"{plain}.{number:02d}",
                      f"zqdev_{word(12)}", f"zquser_{word(10)}", f"LOY-ZQ{number:02d}{word(6)}")  # fmt: skip
        for text in (given, family, one.mail, one.mail.upper(), one.device, one.user, one.member):
            one.mark(text)
        one.mark(f"+1{one.phone}")
        found.append(one)
    return found


def deliver(world: Path) -> list[Subject]:
    """Add the people to every file kind of a delivered world, broken rows among them."""
    people = subjects()
    bystander = _second(world / "sales/contacts.csv")
    lines: dict[str, list[str]] = {}
    for one in people:
        for file, line in _rows_of(one, bystander):
            lines.setdefault(file, []).append(line)
    for file, more in lines.items():
        path = world / file
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress("".join(line + "\n" for line in more).encode()))
        else:
            with path.open("a", encoding="utf-8") as target:
                target.writelines(line + "\n" for line in more)
    return people


def _second(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[1].partition(",")[0]


def _rows_of(one: Subject, bystander: str) -> Iterable[tuple[str, str]]:
    at = _AT.format(month=1 + one.number % 8, day=1 + one.number % 9)
    day = at[:10]
    phone = one.mark(f"({one.phone[:3]}) {one.phone[3:6]}-{one.phone[6:]}")
    street = one.mark(f"{one.number} {one.family}weg")
    tagged = one.mark(f"{one.local}+zqshop@zqmarked.org")
    contact, deal, requester, ticket = (one.mark(one.id(kind)) for kind in (7941, 7842, 7743, 7644))
    yield (
        "sales/contacts.csv",
        (
            f'{contact},{one.given},{one.family},{one.mail.upper()},"{phone}",05/25/1980,"{street}\nrear house",Puebla,'
            f"Puebla,72647,customer,{at},true"
        ),
    )
    order = one.mark(f"Order zqorder{one.number:02d}")
    yield "sales/deals.csv", f"{deal},{order},closedwon,19.34,USD,{at},{at},{contact}"
    yield "sales/deals.csv", f"{one.id(7945)},Shared order,closedwon,10.00,USD,{at},{at},{contact};{bystander}"
    name = f"{one.given} {one.family}"
    yield (
        "support/users.jsonl",
        json.dumps({"id": int(requester), "name": name, "email": one.mail, "phone": one.phone, "created_at": at}),
    )
    asked = f'Write to <{one.mail}>\nor "{name}", {quote(one.mail)}'
    yield "support/tickets.jsonl", json.dumps(
        {"id": int(ticket), "created_at": at, "updated_at": at, "solved_at": at, "status": "solved", "tags": ["zq"],
         "priority": "normal", "subject": f"From {one.family}", "description": asked, "requester_id": int(requester),
         "via": {"channel": "chat"}, "satisfaction_rating": {"score": "good", "comment": f"Call {one.phone}"}}
    )  # fmt: skip
    events = "web/events-2025-zq.jsonl.gz"
    who = {"anonymousId": one.device, "timestamp": at, "receivedAt": at}
    page = {"url": f"https://shop.test/?mail={quote(one.mail, safe='')}", "form": {"filled": {"mail": tagged}}}
    traits = {"email": tagged, "firstName": one.given, "lastName": one.family, "phone": one.phone}
    yield events, _event(one, 1, type="track", event="Product Viewed", properties=page, **who)
    yield events, _event(one, 2, type="identify", userId=one.user, traits=traits, **who)
    yield events, _event(one, 3, type="track", event="Order Completed", userId=one.user, properties=page, **who)
    yield events, _event(one, 4, type="track", event="Cart Viewed", userId=one.user, **who)[:-9]
    yield (
        "pos/customers.csv",
        f"{one.member},{one.given},{one.family},{one.mail.title()},{one.phone},{street},72647,no,9",
    )
    sale = one.mark(f"TXZQ{one.number:02d}{one.phone}")
    yield (
        "pos/transactions.csv",
        (f"{sale},{day},12:55:33,America/Los_Angeles,Eugene Central,23.38,0.00,VISA,{one.member}"),
    )
    sent = one.mark(f"em_zq{one.number:02d}{one.phone}")
    yield "marketing/email_events.csv", f"{sent},sent,newsletter,{one.mail},{at}"
    yield "marketing/experiments.csv", f"welcome_mail,{one.mail.upper()},treatment,{at}"
    yield "sales/contacts.csv", f',{one.given},{one.family},{one.mail},"{phone}",,,,,,customer,{at},'
    yield "support/users.jsonl", json.dumps({"name": name, "email": tagged, "created_at": at})


def _event(one: Subject, number: int, **fields: Any) -> str:
    return json.dumps({"messageId": one.mark(f"zqmsg-{one.number:02d}-{number}-{one.device[6:]}"), **fields})


OTHER = "left.alone@elsewhere.org"


def plant(home: Home, people: list[Subject]) -> list[str]:
    """Leave the people's values wherever a home can hold files; returns the places, relative to the home."""
    mails = [*(one.mail for one in people), OTHER]
    table = [{"mail": mail, "note": f"line one\nof {mail}"} for mail in mails]
    csv_text = "mail,note\n" + "".join(f'{row["mail"]},"{row["note"]}"\n' for row in table)
    lines = "".join(json.dumps(row) + "\n" for row in table)
    exports = {
        "people.csv": csv_text.encode("utf-8-sig"),
        "people.wide.csv": csv_text.encode("utf-16"),
        "people.jsonl.gz": gzip.compress(lines.encode()),
        "people.json": json.dumps(table, indent=None).encode(),
        "people.b64.txt": "".join(base64.b64encode(f"to {m}".encode()).decode() + "\n" for m in mails).encode(),
        "people.hex.txt": "".join(m.encode().hex().upper() + "\n" for m in mails).encode(),
        "people.url.txt": "".join(quote(f"a={m}&b", safe="") + "\n" for m in mails).encode(),
        "people.pickle": pickle.dumps(table),
    }
    planted = {f"exports/{name}": content for name, content in exports.items()}
    everything = "\n".join(marker for one in people for marker in one.markers).encode()
    for place in ("tmp/spill/part-0.tmp", "dbt/logs/dbt.log.1", "sqlmesh/cache/state.txt", "gx/uncommitted/result.json",
                  "serving/spill-7/part.tmp", "dagster/storage/zq/compute_logs/out.err"):  # fmt: skip
        planted[place] = everything
    for place, content in planted.items():
        (home.path / place).parent.mkdir(parents=True, exist_ok=True)
        (home.path / place).write_bytes(content)
    pq.write_table(pa.Table.from_pylist(table), home.path / "exports/people.parquet", compression="zstd")
    with zipfile.ZipFile(home.path / "exports/people.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", csv_text)
    shutil.copy(_snapshot(home), home.path / "serving/snapshot-former.duckdb")
    return [*planted, "exports/people.parquet", "exports/people.zip", "serving/snapshot-former.duckdb"]


def _snapshot(home: Home) -> Path:
    return home.path / "serving" / str(json.loads((home.path / "serving/current.json").read_text())["file"])


def in_file(path: Path, texts: Iterable[str]) -> set[str]:
    """Those of the texts that are in a file, in any encoding."""
    wanted = [Needle(0, "marker", text) for text in texts]
    searcher = Searcher(patterns(wanted))
    return {wanted[number].value for view in views(path) for number in searcher.count(view)}


def found(home: Home, markers: Iterable[str]) -> Counter[str]:
    """Hits of each marker in every file and table of the home."""
    settings = load_settings(home=home.path, store_url=home.store_url)
    wanted = list(dict.fromkeys(markers))
    looked = scan(
        home.path,
        [Needle(0, "marker", marker) for marker in wanted],
        load(settings.dbt_project),
        config={"threads": 2},
        store_url=home.store_url,
    )
    assert looked.unreadable == {}, "every place can be read"
    counts: Counter[str] = Counter()
    for hits in looked.hits.values():
        for number, count in hits.items():
            counts[wanted[number]] += count
    return counts


def rows(home: Home) -> dict[str, Counter[str]]:
    """Every row of warehouse, snapshot and store as text, by table."""
    dumped: dict[str, Counter[str]] = {}
    for kind, file in (("warehouse", home.path / "warehouse.duckdb"), ("snapshot", _snapshot(home))):
        with duckdb.connect(str(file), read_only=True) as connection:
            names = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, name in names:
                # The next run compares again what had been compared with an erased record.
                left_out = "exclude (content_hash)" if name == "state_features" else ""
                read = connection.execute(f'select * {left_out} from "{schema}"."{name}"').fetchall()
                dumped[f"{kind}:{schema}.{name}"] = Counter(map(repr, read))
    for name, read in _store_rows(home):
        dumped[f"store:{name}"] = Counter(map(repr, read))
    return dumped


# How many are in a segment changes when people leave it; `counted` compares it with those who are left.
_WITHOUT_COUNTS = {"segments": "key, title, description, definition, sentence, version, purpose, evaluated_at, problem"}


def counted(home: Home) -> dict[str, tuple[int, int]]:
    """Members of each segment and those who may be reached, from the memberships themselves."""
    found = {segment["key"]: [0, 0] for segment in home.facts("segment", "list")}
    for name, read in _store_rows(home):
        for row in read if name == "memberships" else ():
            _, key, _, _, _, exportable = row
            found[key][0] += 1
            found[key][1] += bool(exportable)
    return {key: (members, reachable) for key, (members, reachable) in found.items()}


def _store_rows(home: Home) -> Iterable[tuple[str, list[Any]]]:
    if home.store_url is None:
        connection = sqlite3.connect(home.path / "store.sqlite")
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            columns = _WITHOUT_COUNTS.get(name, "*")
            yield name, connection.execute(f'select {columns} from "{name}"').fetchall()
        connection.close()
        return
    import sqlalchemy as sa

    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    engine = PostgresBackend(parse(home.store_url)).engine()
    with engine.connect() as found_there:
        for name in sa.inspect(found_there).get_table_names():
            columns = _WITHOUT_COUNTS.get(name, "*")
            yield name, [tuple(row) for row in found_there.exec_driver_sql(f'select {columns} from "{name}"')]
    engine.dispose()


def without(dumped: dict[str, Counter[str]], texts: Iterable[str]) -> dict[str, Counter[str]]:
    """The rows in which none of the texts stands, in whatever case and with or without marks on letters."""
    wanted = {form for text in texts for form in (text, _folded(text))}
    any_of = "|".join(re.escape(text) for text in sorted(wanted))
    left = {}
    for table, counted in dumped.items():
        hit = pc.match_substring_regex(pa.array(counted, pa.string()), any_of, ignore_case=True).to_pylist()
        left[table] = Counter({row: count for (row, count), is_hit in zip(counted.items(), hit, strict=True)
                               if not is_hit})  # fmt: skip
    return left


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text.replace("ø", "o")).encode("ascii", "ignore").decode()


def profile_ids(home: Home, people: list[Subject]) -> dict[int, set[str]]:
    """The profiles that the records of each person led to."""
    keys = {
        one.number: [f"sales:{one.id(7941)}", f"support:{one.id(7743)}", f"web:{one.user}", f"pos:{one.member}"]
        for one in people
    }
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        return {
            number: {
                row[0]
                for row in connection.execute(
                    "select profile_id from identity.identity_map where list_contains(?, source || ':' ||"
                    " source_record_id)",
                    [wanted],
                ).fetchall()
            }
            for number, wanted in keys.items()
        }
