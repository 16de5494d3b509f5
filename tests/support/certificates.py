"""Certificates of an authority made for a test, so that signatures are verified as a controller would."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

DOMAIN = "opendsr.wayfinder.example"


@dataclass(frozen=True)
class Pair:
    """The two files that the settings name."""

    certificate: Path
    key: Path


def issue(
    folder: Path, *, domain: str | None = DOMAIN, days: int = 10, bits: int = 2048, self_signed: bool = False
) -> Pair:
    """A certificate for a domain from a new authority, which ends in so many days (before today: it has), and its key.

    The authority outlives it, so that an end is the certificate's own.
    """
    authority, own = generate_private_key(65537, 2048), generate_private_key(65537, bits)
    chain = [_certificate("Test authority", "Test authority", authority, authority.public_key(), None, 365)]
    if self_signed:
        chain.insert(0, _certificate("us", "us", own, own.public_key(), domain, days))
    else:
        chain.insert(0, _certificate("us", "Test authority", authority, own.public_key(), domain, days))
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / "opendsr.pem", folder / "opendsr.key")
    pair.certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    pair.key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


def authority(pair: Pair) -> bytes:
    """The certificate of the authority that issued one, for whoever is to trust it (PEM)."""
    return x509.load_pem_x509_certificates(pair.certificate.read_bytes())[-1].public_bytes(Encoding.PEM)


def verify(chain: bytes, body: bytes, signature: str) -> x509.Certificate:
    """What a controller does: the certificate comes from its authority and signed the body. Raises InvalidSignature."""
    own, authority = x509.load_pem_x509_certificates(chain)
    own.verify_directly_issued_by(authority)
    public = own.public_key()
    assert isinstance(public, RSAPublicKey)
    public.verify(base64.b64decode(signature, validate=True), body, PKCS1v15(), SHA256())
    return own


def _certificate(
    name: str, issuer: str, key: RSAPrivateKey, public: RSAPublicKey, domain: str | None, days: int
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name)).issuer_name(_named(issuer)).public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(30)).not_valid_after(now + timedelta(days))
    )  # fmt: skip
    if issuer == name and domain is None:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if domain is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
    return made.sign(key, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
