from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.email import INVALID, normalise_email


@pytest.mark.parametrize(
    ("text", "norm", "base"),
    [
        ("John.Smith@Gmail.com", "john.smith@gmail.com", "johnsmith@gmail.com"),
        ("john.smith+shop@googlemail.com", "john.smith+shop@googlemail.com", "johnsmith@gmail.com"),
        ("anna+news@company.org", "anna+news@company.org", "anna@company.org"),
        ("anna.b@company.org", "anna.b@company.org", "anna.b@company.org"),
        ("anna-shop@yahoo.com", "anna-shop@yahoo.com", "anna@yahoo.com"),
        ("anna-b@web.de", "anna-b@web.de", "anna-b@web.de"),
        ("a_n.na@protonmail.com", "a_n.na@protonmail.com", "anna@proton.me"),
        ("x@me.com", "x@me.com", "x@icloud.com"),
        ("ＪＯＨＮ＠ＥＭＡＩＬ．ＯＲＧ", "john@email.org", "john@email.org"),
        (" mailto:Ann@firm.de. ", "ann@firm.de", "ann@firm.de"),
        ('"Ann Lee" <ann@firm.de>', "ann@firm.de", "ann@firm.de"),
        ("ann@müller.de", "ann@xn--mller-kva.de", "ann@xn--mller-kva.de"),
        ("+tag@gmail.com", "+tag@gmail.com", "+tag@gmail.com"),
        ("用户@例子.中国", "用户@xn--fsqu00a.xn--fiqs8s", "用户@xn--fsqu00a.xn--fiqs8s"),
    ],
)
def test_norm_and_mailbox(text: str, norm: str, base: str) -> None:
    email = normalise_email(text)
    assert (email.norm, email.base) == (norm, base)
    assert f"{email.local}@{email.domain}" == norm


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jane.doe@gmail.com", "personal"),
        ("info@firm.de", "role"),
        ("no-reply@firm.de", "role"),
        ("sales2@firm.de", "role"),
        ("sales2@gmail.com", "personal"),
        ("jane@mailinator.com", "disposable"),
        ("noemail@gmail.com", "placeholder"),
        ("No.Email@firm.de", "placeholder"),
        ("none@none.com", "placeholder"),
        ("test@test.com", "placeholder"),
        ("jane@example.com", "placeholder"),
        ("jane@shop.invalid", "placeholder"),
        ("aaaa@gmail.com", "placeholder"),
        ("jane", "invalid"),
        ("jane@", "invalid"),
        ("@gmail.com", "invalid"),
        ("jane@@gmail.com", "invalid"),
        ("jane doe@gmail.com", "invalid"),
        ("jane@gmail", "invalid"),
        ("jane@-gmail.com", "invalid"),
        ("", "invalid"),
    ],
)
def test_kind(text: str, kind: str) -> None:
    assert normalise_email(text).kind == kind


def test_a_placeholder_has_no_mailbox_and_an_invalid_text_nothing() -> None:
    assert normalise_email("noemail@example.com").base is None
    assert normalise_email("noemail@example.com").norm == "noemail@example.com"
    assert normalise_email("nothing") == INVALID


addresses = st.one_of(
    st.text(max_size=40),
    st.builds(
        "{}@{}".format,
        st.text(st.sampled_from("abcXYZ019.+-_'éжß王 "), min_size=1, max_size=12),
        st.sampled_from(
            ["Gmail.com", "googlemail.com", "müller.de", "yahoo.com", "pm.me", "firm.co.uk", "x.y", "ß.de"]
        ),
    ),
)


@settings(deadline=None)
@given(addresses)
def test_idempotent_and_never_raises(text: str) -> None:
    email = normalise_email(text)
    if email.norm is not None:
        again = normalise_email(email.norm)
        assert again == email
    if email.base is not None:
        assert normalise_email(email.base).base == email.base
