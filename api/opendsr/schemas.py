"""OpenDSR and OpenGDPR over the wire, in the specification's own names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, Field

from cdp.outbound import LONGEST_URL

MOST_IDENTITIES = 20
MOST_CALLBACKS = 10

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

SubjectRequestId = Annotated[
    str,
    Path(
        description="The id that the controller gave the request.", pattern=_UUID,
        examples=["a7551968-d5d6-44b2-9831-815ac9017798"],
    ),
]  # fmt: skip

IdentityType = Literal[
    "controller_customer_id", "android_advertising_id", "android_id", "email", "fire_advertising_id",
    "ios_advertising_id", "ios_vendor_id", "microsoft_advertising_id", "microsoft_publisher_id", "roku_publisher_id",
    "roku_advertising_id",
]  # fmt: skip
IdentityFormat = Literal["raw", "sha1", "md5", "sha256"]
RequestType = Literal["access", "portability", "erasure"]
Callback = Annotated[str, Field(max_length=LONGEST_URL, examples=["https://controller.example/opendsr/callbacks"])]


class Identity(BaseModel):
    """One value by which the person is known (5.3)."""

    identity_type: IdentityType
    identity_value: str = Field(min_length=1, max_length=320, examples=["someone@example.org"])
    identity_format: IdentityFormat


class Wanted(BaseModel):
    """A request (7.1); what it holds beside this is left alone."""

    subject_request_id: str = Field(pattern=_UUID, examples=["a7551968-d5d6-44b2-9831-815ac9017798"])
    subject_request_type: RequestType
    subject_identities: list[Identity] = Field(
        min_length=1, max_length=MOST_IDENTITIES, description="All of one person; see the discovery."
    )
    submitted_time: AwareDatetime = Field(description="When the person asked; the time to answer runs from then.")
    api_version: str | None = Field(None, max_length=10, examples=["2.0"])
    status_callback_urls: list[Callback] = Field([], max_length=MOST_CALLBACKS)
    extensions: dict[str, dict[str, Any]] = Field({}, description="By domain of a processor; none is known here.")


class RegulatedWanted(Wanted):
    """A request of version 2.0, which names the law."""

    regulation: Literal["gdpr", "ccpa"]


class Receipt(BaseModel):
    """A request that was received (7.3)."""

    controller_id: str
    expected_completion_time: str
    received_time: str
    encoded_request: str = Field(description="The request in base64; controllers must not log it.")
    subject_request_id: str


class RequestStatus(BaseModel):
    """Where a request is (8.3)."""

    controller_id: str
    expected_completion_time: str
    subject_request_id: str
    request_status: Literal["pending", "in_progress", "completed", "cancelled"]
    api_version: str
    results_url: str | None = Field(None, description="Where the package is fetched; with the scope `pii:read`.")
    results_count: int | None = Field(None, description="Rows in the package.")
    extensions: dict[str, dict[str, str]] | None = Field(
        None, description="Under our domain, what the status cannot say: `refused` and why, `partial`, `held`."
    )


class Cancelled(BaseModel):
    """A request that was cancelled (9.2)."""

    controller_id: str
    subject_request_id: str
    received_time: str
    api_version: str


class SupportedIdentity(BaseModel):
    """A kind of identity that can be looked up."""

    identity_type: str
    identity_format: str


class Discovery(BaseModel):
    """What is supported (6.3)."""

    api_version: str
    supported_identities: list[SupportedIdentity]
    supported_subject_request_types: list[str]
    processor_certificate: str


class ErrorDetail(BaseModel):
    """One thing that is wrong."""

    domain: str
    reason: str
    message: str


class ErrorObject(BaseModel):
    """What is wrong (7.6)."""

    code: int
    message: str
    errors: list[ErrorDetail]


class Error(BaseModel):
    """An answer that says what is wrong."""

    error: ErrorObject
