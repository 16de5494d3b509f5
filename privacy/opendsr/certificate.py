"""The certificate of OpenDSR: who this installation is to the controllers that send it requests, and its signatures.

A signature is RSASSA-PKCS1-v1_5 with SHA-256 over the bytes of a body as they go out, in base64 (OpenDSR 2.0, 4.2 and
the security guidelines; FIPS 186-4). The domain is the certificate's own: its first DNS name.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cdp.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

# FIPS 186-4 knows nothing shorter.
LEAST_BITS = 2048

CERTIFICATE = "CDP_OPENDSR_CERTIFICATE"
KEY = "CDP_OPENDSR_KEY"
# How long before its end a certificate has to be renewed: authorities take days when something is wrong.
RENEWAL = timedelta(days=14)


@dataclass(frozen=True)
class Signer:
    """The domain, the certificate with those that lead to its authority (PEM), and the time it holds, in UTC."""

    domain: str
    chain: bytes
    valid_from: datetime
    valid_until: datetime
    key: RSAPrivateKey

    def holds(self, now: datetime) -> bool:
        """Whether the certificate is valid at a moment: what it signs at another, nobody accepts."""
        return self.valid_from <= now <= self.valid_until

    def advice(self, now: datetime) -> str | None:
        """What somebody has to do about the certificate, as a sentence; None when nothing."""
        if now < self.valid_from:
            return f"The certificate in {CERTIFICATE} is not valid before {self.valid_from.date()}; set one that is."
        if now > self.valid_until:
            return (
                f"The certificate in {CERTIFICATE} is not valid today, it ended on {self.valid_until.date()}; renew it."
            )
        if now > self.valid_until - RENEWAL:
            return f"The certificate in {CERTIFICATE} ends on {self.valid_until.date()}; renew it."
        return None

    def sign(self, body: bytes) -> str:
        """The signature of a body, base64."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return base64.b64encode(self.key.sign(body, PKCS1v15(), SHA256())).decode()


def load(certificate: Path | None, key: Path | None) -> Signer | None:
    """The signer of two PEM files, None when neither is set. ConfigurationError says which file is wrong, and how."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError(f"{CERTIFICATE} and {KEY} belong together: set both, or neither.")
    chain = _chain(certificate)
    private = _private(key)
    own = chain[0]
    if own.public_key() != private.public_key():
        raise ConfigurationError(f"{KEY}: {key.name} is not the key of the first certificate in {certificate.name}.")
    if own.issuer == own.subject:
        raise ConfigurationError(
            f"{CERTIFICATE}: {certificate.name} is self-signed, which OpenDSR forbids; it has to come from an authority"
            " that controllers trust."
        )
    return Signer(
        _domain(own, certificate), _pem(chain), own.not_valid_before_utc, own.not_valid_after_utc, private
    )  # fmt: skip


def _chain(path: Path) -> list[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError:
        raise ConfigurationError(f"{CERTIFICATE}: {path.name} cannot be read.") from None
    except ValueError:
        raise ConfigurationError(f"{CERTIFICATE}: {path.name} holds no certificate in PEM form.") from None


def _private(path: Path) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError:
        raise ConfigurationError(f"{KEY}: {path.name} cannot be read.") from None
    except (ValueError, TypeError):
        raise ConfigurationError(f"{KEY}: {path.name} holds no private key in PEM form without a password.") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise ConfigurationError(f"{KEY}: {path.name} has to be an RSA key of at least {LEAST_BITS} bits.")
    return key


def _domain(own: Certificate, path: Path) -> str:
    from cryptography import x509

    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = []
    if not found or "*" in found[0]:
        raise ConfigurationError(
            f"{CERTIFICATE}: the first name in {path.name} has to be the domain at which requests are received, such as"
            " opendsr.example.org; a wildcard is none."
        )
    return found[0]


def _pem(chain: list[Certificate]) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)
