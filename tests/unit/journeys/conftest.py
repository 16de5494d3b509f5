"""Small journeys with known effects, in the tables that the published snapshot has.

`make_world(seed, effects)` builds them in memory: with effects, slow tickets and failed payments cost purchases and the
welcome mail brings some; without, everything is chance.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2024, 1, 1)
END = datetime(2026, 1, 1)
STAGES = [
    ("awareness", 1, "Awareness", "Has come into view", True, 90, 90),
    ("consideration", 2, "Consideration", "Looks for something", True, 90, 30),
    ("decision", 3, "Decision", "Is about to buy", True, 60, 30),
    ("use", 4, "Use", "Has bought", True, 180, 180),
    ("loyalty", 5, "Loyalty", "Has bought again", True, 365, 365),
    ("lapsed", 6, "Lapsed", "Not heard of for long", False, None, None),
]
KINDS = {
    "home": ("home", "web", "path", "awareness"),
    "Product Viewed": ("product", "web", "path", "consideration"),
    "Product Added": ("add_to_cart", "web", "path", "decision"),
    "Payment Info Entered": ("payment_details", "web", "path", "decision"),
    "Payment Failed": ("payment_error", "web", "service", None),
    "Order Completed": ("web_order", "web", "path", "use"),
    "ticket_created": ("ticket", "support", "service", None),
}
DEVICES = ("desktop", "mobile", "tablet")


class _World:
    def __init__(self, seed: int, effects: bool, people: int) -> None:
        self.random = np.random.default_rng(seed)
        self.effects = effects
        self.touchpoints: list[tuple] = []
        self.purchases: list[tuple] = []
        self.tickets: list[tuple] = []
        self.experiments: list[tuple] = []
        self.episodes: list[tuple] = []
        self.profiles: list[tuple] = []
        for index in range(people):
            self._person(f"p{index:05d}")

    def _touch(self, who: str, when: datetime, event: str, device: str, amount: float | None = None) -> None:
        kind, source, lane, stage = KINDS[event]
        key = f"t{len(self.touchpoints)}"
        self.touchpoints.append(
            (key, who, when, source, source, kind, event, stage, lane, amount, "USD", device, None, key)
        )

    def _buy(self, who: str, when: datetime) -> None:
        amount = float(self.random.gamma(4, 8))
        self.purchases.append((f"o{len(self.purchases)}", who, when, amount, "USD", "web", "web"))

    def _person(self, who: str) -> None:
        random = self.random
        when = START + timedelta(days=float(random.uniform(0, 600)))
        device = DEVICES[int(random.integers(3))]
        known = random.random() < 0.8
        treated = random.random() < 0.5
        assigned = False
        orders = 0
        muted_until = START
        for _ in range(1 + int(random.poisson(5))):
            if when >= END - timedelta(hours=2):
                break
            at = when
            self._touch(who, at, "home", device)
            at += timedelta(minutes=1)
            self._touch(who, at, "Product Viewed", device)
            if random.random() < 0.7:
                at += timedelta(minutes=2)
                self._touch(who, at, "Product Added", device)
                at += timedelta(minutes=1)
                self._touch(who, at, "Payment Info Entered", device)
                failed = random.random() < 0.2
                if failed:
                    at += timedelta(minutes=1)
                    self._touch(who, at, "Payment Failed", device)
                chance = 0.5
                if self.effects:
                    chance = 0.15 if failed else 0.6
                    chance += 0.25 * (treated and assigned)
                    if at < muted_until:
                        chance = 0.0
                if random.random() < chance:
                    at += timedelta(minutes=2)
                    self._touch(who, at, "Order Completed", device, 30.0)
                    self._buy(who, at)
                    orders += 1
                    if known and not assigned:
                        assigned = True
                        arm = "treatment" if treated else "control"
                        self.experiments.append(("welcome_mail", who, arm, at + timedelta(minutes=5)))
            if known and random.random() < 0.25:
                at += timedelta(hours=5)
                hours = float(random.gamma(2, 15))
                slow = random.random() < 0.25
                hours = hours + 72.5 if slow else min(hours, 71.0)
                rated = ("good", "bad", None)[int(random.choice(3, p=[0.4, 0.2, 0.4]))]
                solved = at + timedelta(hours=hours)
                key = f"k{len(self.tickets)}"
                self._touch(who, at, "ticket_created", device)
                self.tickets.append(
                    (key, who, at, solved, hours, slow, "chat", "Question", "How do I return this?", rated, None)
                )
                if slow and self.effects:
                    muted_until = at + timedelta(days=180)
            when = at + timedelta(days=float(random.gamma(1.2, 40)))
        self.profiles.append((who, not known, device))
        self._walk(who)

    def _walk(self, who: str) -> None:
        """Episodes of one person: stages rise with evidence, fall back after 60 days, lapse after 180."""
        rank = {stage: position for stage, position, *_ in STAGES}
        names = {position: stage for stage, position in rank.items()}
        mine = sorted((row for row in self.touchpoints[-60:] if row[1] == who), key=lambda row: row[2])
        path: list[tuple[int, datetime]] = []
        held, last, bought = 0, None, 0
        for row in mine:
            when, stage = row[2], row[7]
            if row[6] == "Order Completed":
                bought += 1
                stage = "loyalty" if bought > 1 else "use"
            if last is not None and when - last > timedelta(days=180):
                path.append((6, last + timedelta(days=180)))
                held = 0
            elif last is not None and when - last > timedelta(days=60) and held in (2, 3):
                held = 0
            level = max(held, rank.get(stage, 1))
            if level != held:
                path.append((level, when))
                held = level
            last = when
        if last is not None and END - last > timedelta(days=180):
            path.append((6, last + timedelta(days=180)))
        path = [step for index, step in enumerate(path) if index == 0 or step[0] != path[index - 1][0]]
        for index, (level, since) in enumerate(path):
            until = path[index + 1][1] if index + 1 < len(path) else None
            before = path[index - 1][0] if index else 0
            move = "start" if not index else "lapse" if level == 6 else "restart" if before == 6 else ""
            move = move or ("forward" if level > before else "back")
            self.episodes.append(
                (f"{who}#{index + 1}", who, index + 1, names[level], since, until, until is None, move, 1)
            )


def _tables(world: _World) -> dict[str, pd.DataFrame]:
    frames = {
        "journey_stages": pd.DataFrame(
            STAGES, columns=["stage", "position", "label", "description", "is_path", "lapse_after_days", "hold_days"]
        ),
        "touchpoints": pd.DataFrame(
            world.touchpoints,
            columns=["touchpoint_id", "profile_id", "occurred_at", "source", "channel", "touchpoint_type", "event_name",
                     "stage", "lane", "amount", "currency", "device", "campaign", "source_record_key"],
        ),
        "purchases": pd.DataFrame(
            world.purchases,
            columns=["purchase_id", "profile_id", "occurred_at", "amount", "currency", "source", "channel"],
        ),
        "tickets": pd.DataFrame(
            world.tickets,
            columns=["ticket_id", "profile_id", "created_at", "solved_at", "hours_to_solution", "is_slow", "channel",
                     "subject", "description", "satisfaction", "tags"],
        ),
        "experiments": pd.DataFrame(world.experiments, columns=["experiment", "profile_id", "arm", "assigned_at"]),
        "stage_episodes": pd.DataFrame(
            world.episodes,
            columns=["episode_id", "profile_id", "episode_number", "stage", "entered_at", "left_at", "is_open", "move",
                     "touchpoints"],
        ),
        "people": pd.DataFrame(world.profiles, columns=["profile_id", "is_anonymous", "device"]),
    }  # fmt: skip
    frames["touchpoints"]["is_activity"] = True
    frames["purchases"]["purchase_number"] = frames["purchases"].groupby("profile_id").cumcount() + 1
    return frames


def build_world(seed: int = 1, *, effects: bool = True, people: int = 900) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone='UTC'; create schema marts")
    for name, frame in _tables(_World(seed, effects, people)).items():
        connection.register("incoming", frame)
        order = "order by profile_id, occurred_at" if name == "touchpoints" else ""
        moments = [column for column in frame.columns if column.endswith("_at")]
        kinds = dict.fromkeys(moments, "timestamp")
        kinds |= {column: "integer" for column in frame.columns if column.endswith("_days")}
        cast = ", ".join(f"{column}::{kind} as {column}" for column, kind in kinds.items())
        chosen = f"* replace ({cast})" if kinds else "*"
        connection.execute(f"create table marts.{name} as select {chosen} from incoming {order}")
        connection.unregister("incoming")
    connection.execute(
        """
        create table marts.stage_transitions as
        select n.episode_id as transition_id, n.profile_id, e.stage as from_stage, n.stage as to_stage,
            n.entered_at as occurred_at, n.move,
            date_diff('second', e.entered_at, n.entered_at) / 86400.0 as days_in_from
        from marts.stage_episodes as n
        join marts.stage_episodes as e
            on n.profile_id = e.profile_id and n.episode_number = e.episode_number + 1;
        create table marts.profiles as
        select p.profile_id, p.is_anonymous,
            t.first_seen_at, t.last_seen_at, t.touchpoints,
            coalesce(b.purchases, 0) as purchases, coalesce(b.revenue, 0) as revenue,
            b.first_purchase_at, b.last_purchase_at,
            s.stage as current_stage, s.entered_at as stage_since,
            (select count(*) from marts.tickets as k where k.profile_id = p.profile_id and k.is_slow) as slow_tickets,
            (select count(*) from marts.tickets as k where k.profile_id = p.profile_id) as tickets,
            (select count(*) from marts.tickets as k
                where k.profile_id = p.profile_id and k.satisfaction = 'good') as satisfaction_good,
            (select count(*) from marts.tickets as k
                where k.profile_id = p.profile_id and k.satisfaction = 'bad') as satisfaction_bad,
            ['web'] as channels
        from marts.people as p
        join (select profile_id, min(occurred_at) as first_seen_at, max(occurred_at) as last_seen_at,
                count(*) as touchpoints from marts.touchpoints group by 1) as t using (profile_id)
        left join (select profile_id, count(*) as purchases, sum(amount) as revenue,
                min(occurred_at) as first_purchase_at, max(occurred_at) as last_purchase_at
                from marts.purchases group by 1) as b using (profile_id)
        left join marts.stage_episodes as s on s.profile_id = p.profile_id and s.is_open
        """
    )
    return connection


@pytest.fixture(scope="session")
def make_world() -> Callable[..., duckdb.DuckDBPyConnection]:
    return build_world


@pytest.fixture(scope="session")
def world() -> duckdb.DuckDBPyConnection:
    return build_world(1)


@pytest.fixture(scope="session")
def as_of() -> datetime:
    return AS_OF
