"""The hidden journey: what each actor does, step by step, from the first contact to the end of 2025.

A step is a day on which something happens in a stage: a visit, an attempt to buy, a ticket. The persona decides what
comes next: forward, back, restart or lapse, and how long it takes. Planted effects act here and nowhere else, through
their dice being thrown at a slow ticket, a failed payment or a welcome mail; `planted` counts those throws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from demo.actors import Actors
from demo.dice import Bools, Dice, Floats, Ints, chance, pick_in_rows
from demo.people import LAST_DAY, NEVER
from demo.plan import Plan
from demo.scenario import DEVICES, STAGES, Scenario, StageName
from demo.tally import Tally

AWARENESS, CONSIDERATION, DECISION, USE, LOYALTY, LAPSED = range(6)
NO_ATTEMPT, WEB, POS, SALES = -1, 0, 1, 2
# Outcomes of a step.
NOTHING, BOUGHT, GAVE_UP, FAILED_AND_GAVE_UP, LOST = range(5)
LOST_DEALS = 0.16
CARD_SHOWN = 0.93
DEFECTORS_RETURN = 0.2
MAX_STEPS = 400


@dataclass(frozen=True)
class Steps:
    """One row per step, ordered by actor and day."""

    actor: Ints
    day: Ints
    stage: Ints
    visit: Bools
    slot: Ints
    attempt: Ints
    outcome: Ints
    failed: Bools
    # The sale can be told to be this person's (a member's, an account holder's, a contact's).
    recorded: Bools
    # 1 for the first recorded purchase, 2 for the second, …; 0 otherwise.
    nth: Ints
    ticket: Bools
    slow: Bools
    # A bad experience lies behind the step's ticket.
    upset: Bools


@dataclass(frozen=True)
class Journey:
    """All steps of a chunk, the arm of each actor's welcome mail (-1 none, 0 control, 1 treatment), and the tally."""

    steps: Steps
    arm: Ints
    final_stage: Ints
    # Throws of the dice of planted effects.
    planted: Tally


def walk(plan: Plan, actors: Actors) -> Journey:
    """Let all actors of a chunk walk until the end of the two years."""
    return _Walk(plan.scenario, plan.dice("journey"), actors).run()


class _Walk:
    """The state of all actors between two steps."""

    def __init__(self, scenario: Scenario, dice: Dice, actors: Actors) -> None:
        personas = list(scenario.personas.values())
        self._scenario, self._dice, self._actors = scenario, dice, actors
        self._next = np.array([[_row(kind.transitions.get(stage, {})) for stage in STAGES] for kind in personas])
        self._again = np.array(
            [[0, 0, 0, k.repurchase.get("use", 0), k.repurchase.get("loyalty", 0), 0] for k in personas]
        )
        self._visits = np.array([kind.web for kind in personas])
        self._tickets = np.array([kind.tickets for kind in personas])
        self._gap = np.array([scenario.stage_days[stage] for stage in STAGES])
        self._failure = np.array([scenario.web.payment_failure.get(name, 0.0) for name in DEVICES])
        size = actors.size
        self._stage = np.zeros(size, np.int64)
        self._day = actors.arrival.copy()
        self._bought = np.zeros(size, np.int64)
        self._recorded = np.zeros(size, np.int64)
        self._arm = np.full(size, -1, np.int64)
        # The attempt an actor owes because of the welcome mail; NO_ATTEMPT when none.
        self._due = np.full(size, NO_ATTEMPT, np.int64)
        self._log: list[dict[str, Ints | Bools]] = []
        self.planted = Tally()

    def run(self) -> Journey:
        for _ in range(MAX_STEPS):
            who = np.flatnonzero(self._day <= LAST_DAY)
            if not len(who):
                break
            self._step(who)
        if self._scenario.effects.welcome_mail:
            repeat = self._recorded >= 2
            for arm, name in ((0, "no_welcome"), (1, "welcome")):
                self.planted.count(name, repeat[self._arm == arm])
        joined = {key: np.concatenate([part[key] for part in self._log]) for key in self._log[0]}
        order = np.lexsort((joined["day"], joined["actor"]))
        steps = Steps(**{key: column[order] for key, column in joined.items()})
        return Journey(steps, self._arm, self._stage, self.planted)

    def _step(self, who: Ints) -> None:
        dice, actors = self._dice, self._actors
        persona, stage, known = actors.persona[who], self._stage[who], who < actors.people
        wanted = pick_in_rows(dice, self._next[persona, stage])
        wanted = np.where(wanted == 6, stage, wanted)
        due = self._due[who] != NO_ATTEMPT
        wanted = np.where(due, USE, wanted)
        again = (wanted == stage) & chance(dice, self._again[persona, stage], len(who))
        tries = known & (due | again | ((stage == DECISION) & (wanted == USE)) | ((stage == USE) & (wanted == LOYALTY)))
        # A visitor never buys; one that would returns to the shelves.
        wanted = np.where(~known & (wanted == USE), CONSIDERATION, wanted)
        channel = np.minimum((dice.random(len(who))[:, None] >= actors.channels[who]).sum(axis=1), SALES)
        attempt = np.where(tries, np.where(due, self._due[who], channel), NO_ATTEMPT)
        slot = np.where((actors.devices.of_actor[who, 1] >= 0) & chance(dice, 0.35, len(who)), 1, 0)
        mobile_kind = actors.devices.kind[actors.devices.of_actor[who, slot]]
        failed, outcome = self._pay(attempt, mobile_kind, due)
        bought = outcome == BOUGHT
        recorded = bought & ((attempt != POS) | (actors.has_card[who] & (due | chance(dice, CARD_SHOWN, len(who)))))
        self._count_purchases(who, bought, recorded, attempt)
        ticket, slow, upset = self._support(who, failed, tries)
        after = self._after(who, wanted, attempt, outcome)
        away = self._defect(ticket, slow)
        visit = (attempt == WEB) | (chance(dice, self._visits[persona], len(who)) & (stage != LAPSED)) | ~known
        self._log.append({
            "actor": who, "day": self._day[who].astype(np.int64), "stage": stage, "visit": visit, "slot": slot,
            "attempt": attempt, "outcome": outcome, "failed": failed, "recorded": recorded,
            "nth": np.where(recorded, self._recorded[who], 0), "ticket": ticket, "slow": slow, "upset": upset,
        })  # fmt: skip
        self._go_on(who, after, away)

    def _pay(self, attempt: Ints, device: Ints, due: Bools) -> tuple[Bools, Ints]:
        """Whether a payment failed, and the outcome of every attempt."""
        dice, size = self._dice, len(attempt)
        web = attempt == WEB
        failed = web & ~due & chance(dice, self._failure[device], size)
        plain = chance(dice, self._scenario.web.gives_up_paying, size) & ~due
        leaves = plain
        effect = self._scenario.effects.failed_payment_mobile
        if effect:
            mobile = device == DEVICES.index("mobile")
            planted = chance(dice, np.where(mobile, effect.abandon_mobile, effect.abandon_other), size)
            leaves = np.where(failed, planted, plain)
            for name, rows in (("payment_failed_mobile", failed & mobile), ("payment_failed_other", failed & ~mobile)):
                self.planted.count(name, leaves[rows])
        outcome = np.where(attempt == NO_ATTEMPT, NOTHING, BOUGHT)
        outcome = np.where(web & leaves, np.where(failed, FAILED_AND_GAVE_UP, GAVE_UP), outcome)
        lost = (attempt == SALES) & ~due & chance(dice, LOST_DEALS, size)
        return failed, np.where(lost, LOST, outcome)

    def _count_purchases(self, who: Ints, bought: Bools, recorded: Bools, attempt: Ints) -> None:
        """Count, and assign the welcome mail at the first recorded purchase of reachable people."""
        self._bought[who] += bought
        self._recorded[who] += recorded
        self._due[who[bought]] = NO_ATTEMPT
        first = recorded & (self._recorded[who] == 1) & self._actors.reachable[who]
        arm = self._dice.integers(0, 2, len(who))
        self._arm[who[first]] = arm[first]
        effect = self._scenario.effects.welcome_mail
        if effect:
            moved = first & (arm == 1) & chance(self._dice, effect.lift, len(who))
            self._due[who[moved]] = attempt[moved]

    def _support(self, who: Ints, failed: Bools, tries: Bools) -> tuple[Bools, Bools, Bools]:
        dice, rules, size = self._dice, self._scenario.support, len(who)
        persona, stage = self._actors.persona[who], self._stage[who]
        using = (stage == USE) | (stage == LOYALTY)
        rate = np.where(using, self._tickets[persona], np.where(stage == DECISION, self._tickets[persona] / 3, 0.0))
        asks = chance(dice, rate, size) & ~tries & (self._due[who] == NO_ATTEMPT)
        upset = failed & chance(dice, rules.ticket_after_failed_payment, size)
        ticket = (asks | upset) & (who < self._actors.people)
        return ticket, ticket & chance(dice, rules.slow_share, size), upset & ticket

    def _defect(self, ticket: Bools, slow: Bools) -> Bools:
        effect = self._scenario.effects.slow_support
        if not effect:
            return np.zeros(len(ticket), np.bool_)
        away = ticket & chance(self._dice, np.where(slow, effect.defect_slow, effect.defect_fast), len(ticket))
        self.planted.count("slow_ticket", away[slow])
        self.planted.count("fast_ticket", away[ticket & ~slow])
        return away

    def _after(self, who: Ints, wanted: Ints, attempt: Ints, outcome: Ints) -> Ints:
        """The stage after the step, effects of tickets apart."""
        stage = self._stage[who]
        bought = outcome == BOUGHT
        back = np.where(stage == DECISION, CONSIDERATION, stage)
        after = np.where(attempt == NO_ATTEMPT, wanted, back)
        effect = self._scenario.effects.failed_payment_mobile
        if effect:
            lapses = (outcome == FAILED_AND_GAVE_UP) & chance(self._dice, effect.lapse, len(who))
            after = np.where(lapses, LAPSED, after)
        again = np.where((stage == LOYALTY) | ((stage == USE) & (wanted == LOYALTY)), LOYALTY, USE)
        many = (stage == DECISION) & (self._bought[who] >= 3)
        return np.where(bought, np.where(many, LOYALTY, again), after)

    def _go_on(self, who: Ints, after: Ints, away: Bools) -> None:
        """Set the next stage and the day on which it shows."""
        dice, size = self._dice, len(who)
        pace = self._actors.pace[who]
        wait = np.maximum(1, np.floor(dice.gamma(1.4, 1 / 1.4, size) * self._gap[after] * pace))
        # From `lapsed` people come back after a long pause, or never.
        lapsed = (after == LAPSED) | away
        row = pick_in_rows(dice, self._next[self._actors.persona[who], np.full(size, LAPSED)])
        gone = lapsed & ((row == 6) | (row == LAPSED))
        after = np.where(lapsed & ~gone, row, after)
        long_wait = np.floor(60 + dice.exponential(self._gap[LAPSED], size))
        wait = np.where(lapsed, long_wait, wait)
        returns = away & chance(dice, DEFECTORS_RETURN, size)
        wait = np.where(away, np.floor(200 + dice.exponential(60, size)), wait)
        after = np.where(away, CONSIDERATION, after)
        gone = np.where(away, ~returns, gone)
        owes = (self._due[who] != NO_ATTEMPT) & ~away
        wait = np.where(owes, np.floor(dice.uniform(12, 70, size)), wait)
        after = np.where(owes, USE, after)
        gone |= (who >= self._actors.people) & chance(dice, self._scenario.web.visitor_leaves, size)
        self._stage[who] = np.where(gone, LAPSED, after)
        self._day[who] = np.where(gone & ~owes, NEVER, self._day[who] + wait)


def _row(row: Mapping[StageName, float]) -> Floats:
    """Running sums over the six stages; what is left to 1 stays."""
    return np.cumsum([row.get(name, 0.0) for name in STAGES])
