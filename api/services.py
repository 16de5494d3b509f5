"""What endpoints work with, made once when the app starts and handed to them by one dependency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from api.analysis import Analyst
from api.auditing import AuditTrail
from api.cursors import Cursors
from api.metrics import Metrics
from api.shelf import AnswerShelf
from cdp.clock import Clock
from cdp.outbound import Guard
from cdp.store.aio import AsyncReader
from cdp.store.base import Store
from privacy.consent.standing import Standing
from privacy.opendsr.certificate import Signer
from privacy.packages.vault import Vault
from privacy.policy import Policy
from privacy.register import Register

# identifier type, value as typed → value as stored
Normaliser = Callable[[str, str], str]


@dataclass(frozen=True)
class Services:
    """The store (reads, and writes in a worker thread), the snapshot, and what answers have in common."""

    store: Store
    reader: AsyncReader
    analyst: Analyst
    audit: AuditTrail
    cursors: Cursors
    metrics: Metrics
    normalise: Normaliser
    answers: AnswerShelf
    consents: Standing
    # The state home: where what people fill in is kept.
    home: Path
    clock: Clock
    # For files without a name: what an answer is made of while it is sent.
    scratch: Path
    # Where subject requests and receipts are kept, and the rules under which requests are answered.
    privacy: Path
    register: Register
    packages: Vault
    policy: Policy
    # A file of the user's own with the bases of legal holds; None means the shipped one.
    hold_bases: Path | None = None
    # Who we are to the controllers of OpenDSR; None where that is not set up.
    signer: Signer | None = None
    # What calls to addresses that users name may reach.
    outbound: Guard = field(default_factory=Guard)


async def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


ServicesDependency = Annotated[Services, Depends(_services)]
