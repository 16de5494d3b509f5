"""Where requests may go: judged by address, not by name, and never twice."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from cdp.errors import InputError
from cdp.outbound import Guard, Refused, Unreachable, post
from tests.support.receiver import receiving

LOCAL = Guard.of(["127.0.0.0/8"])

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "2001:0:0:0:0:0:80ff:fffe", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1", "4000::1",
]  # fmt: skip


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these addresses, one list per question; returns the questions."""
    asked: list[str] = []
    left = list(answers)
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host.replace(".", "").isdigit():
            return list(real(host, port, *more, **named))
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        family = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in found}
        return [(family[one], socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr("cdp.outbound.socket.getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_of_the_public_internet_are_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    names(monkeypatch, [address])
    with pytest.raises(Refused, match="private_address"):
        post(Guard(), "https://hook.example.org/", b"{}", {})
    names(monkeypatch, ["93.184.216.34", address])
    with pytest.raises(Refused, match="private_address"):
        post(Guard(), "https://one-of-two.example.org/", b"{}", {})


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::1]", "127.0.0.1"])
def test_the_own_machine_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="private_address"):
        post(Guard(), f"https://{host}:1/", b"{}", {})


def test_a_name_is_asked_once_and_the_judged_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        asked = names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        answer = post(Guard.of(["rebinding.example.org"]), f"http://rebinding.example.org:{port}/hook?a=b", b"{}", {})
        assert answer.status == 204 and asked == ["rebinding.example.org"]
        assert receiver.received[0].headers["host"] == f"rebinding.example.org:{port}"


def test_the_operator_s_list_names_hosts_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, ["127.0.0.9"])
    for allowed in ("127.0.0.0/24", "crm.internal", " CRM.internal "):
        with pytest.raises(Unreachable):
            post(Guard.of([allowed]), "http://crm.internal:1/", b"{}", {}, seconds=0.2)
    for other in ("127.0.1.0/24", "internal", "other.internal"):
        with pytest.raises(Refused, match="private_address"):
            post(Guard.of([other]), "http://crm.internal:1/", b"{}", {})
    with pytest.raises(InputError, match="CDP_OUTBOUND_ALLOW"):
        Guard.of(["http://crm.internal"])


def test_plain_http_needs_the_operator_s_word(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, ["93.184.216.34"])
    with pytest.raises(Refused, match="not_https"):
        post(Guard(), "http://hook.example.org/", b"{}", {})


def test_a_head_without_end_is_given_up_at_once() -> None:
    with receiving() as receiver:
        receiver.always = "pour"
        with pytest.raises(Unreachable, match="broken_answer"):
            post(LOCAL, receiver.url, b"{}", {}, seconds=600)


def test_of_several_addresses_the_first_that_takes_a_connection_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        names(monkeypatch, ["127.0.0.77", "127.0.0.1"])
        assert post(LOCAL, f"http://two.example.org:{port}/hook", b"{}", {}).status == 204
        names(monkeypatch, ["127.0.0.77", "127.0.0.78"])
        with pytest.raises(Unreachable, match="no_connection"):
            post(LOCAL, f"http://none.example.org:{port}/hook", b"{}", {})


def test_redirects_are_told_and_not_followed() -> None:
    with receiving() as receiver, receiving() as elsewhere:
        receiver.always = f"redirect:{elsewhere.url}"
        assert post(LOCAL, receiver.url, b"{}", {}).status == 302
        assert len(receiver.received) == 1 and elsewhere.received == []


def test_tls_is_checked() -> None:
    with receiving() as receiver, pytest.raises(Unreachable, match=r"no_tls|broken_answer"):
        post(LOCAL, receiver.url.replace("http:", "https:"), b"{}", {}, seconds=2)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/", "form https://HOST/PATH"), ("file:///etc/passwd", "form https://HOST/PATH"),
        ("https:///path", "form https://HOST/PATH"), ("https://a:b@example.org/", "password"),
        ("https://example.org/#x", "fragment"), ("https://example.org/a b", "percent-encoded"),
        ("https://example.org/\r\nX: y", "percent-encoded"), ("https://example.org:99999/", "cannot be read"),
        ("https://example.org:0/", "form https://HOST/PATH"), ("https://exämple.org/", "percent-encoded"),
        ("https://[::1/", "cannot be read"), ("https://example.org/" + "a" * 2048, "too long"), ("", "form https"),
    ],
)  # fmt: skip
def test_urls_that_are_none(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Guard().check(url)


def test_headers_cannot_be_smuggled_in() -> None:
    with receiving() as receiver, pytest.raises(Unreachable):
        post(LOCAL, receiver.url, b"{}", {"X-A": "b\r\nX-Injected: 1"})
