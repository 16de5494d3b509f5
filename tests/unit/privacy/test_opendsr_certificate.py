"""The certificate of OpenDSR: what is accepted, and a sentence for everything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cdp.errors import ConfigurationError
from privacy.opendsr.certificate import load
from tests.support import certificates
from tests.support.certificates import DOMAIN, Pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certificates.issue(tmp_path_factory.mktemp("certificate"))


def test_it_signs_for_its_domain_while_it_is_valid(pair: Pair) -> None:
    signer = load(pair.certificate, pair.key)
    assert signer is not None and signer.domain == DOMAIN
    certificates.verify(signer.chain, b"body", signer.sign(b"body"))
    now = datetime.now(UTC)
    assert [signer.holds(now + timedelta(days)) for days in (-31, 0, 11)] == [False, True, False]


@pytest.mark.parametrize(("days", "words"), [(-1, "not valid today, it ended on"), (10, "ends on"), (30, None)])
def test_it_says_when_it_has_to_be_renewed(tmp_path: Path, days: int, words: str | None) -> None:
    made = certificates.issue(tmp_path, days=days)
    signer = load(made.certificate, made.key)
    assert signer is not None
    said = signer.advice(datetime.now(UTC))
    assert said is None if words is None else words in str(said)
    assert "not valid before" in str(signer.advice(datetime.now(UTC) - timedelta(31)))


def test_none_is_set() -> None:
    assert load(None, None) is None


def test_what_is_wrong_is_one_sentence(pair: Pair, tmp_path: Path) -> None:
    def broken(certificate: Path | None, key: Path | None, words: str) -> None:
        with pytest.raises(ConfigurationError, match=words):
            load(certificate, key)

    broken(pair.certificate, None, "belong together")
    broken(None, pair.key, "belong together")
    broken(tmp_path / "none.pem", pair.key, "none.pem cannot be read")
    broken(pair.certificate, tmp_path / "none.key", "none.key cannot be read")
    broken(pair.key, pair.key, "holds no certificate")
    broken(pair.certificate, pair.certificate, "holds no private key")
    curve = tmp_path / "curve.key"
    made = generate_private_key(SECP256R1())
    curve.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    broken(pair.certificate, curve, "RSA key of at least 2048 bits")
    for name, issue, words in (
        ("self", partial(certificates.issue, self_signed=True), "self-signed"),
        ("wild", partial(certificates.issue, domain="*.example.org"), "wildcard"),
        ("bare", partial(certificates.issue, domain=None), "first name"),
        ("short", partial(certificates.issue, bits=1024), "RSA key of at least 2048 bits"),
    ):
        (tmp_path / name).mkdir()
        other = issue(tmp_path / name)
        broken(other.certificate, other.key, words)
    broken(pair.certificate, other.key, "RSA key")
    (tmp_path / "other").mkdir()
    broken(pair.certificate, certificates.issue(tmp_path / "other").key, "is not the key of the first certificate")
