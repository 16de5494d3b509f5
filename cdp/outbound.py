"""The only way out to addresses that users name: guarded HTTP, for webhooks and callbacks.

A name is resolved once, every address it has is judged, and the connection goes to the judged address itself, so that a
name that changes its mind in between (DNS rebinding) gains nothing. Redirects are not followed, and of an answer only
status and headers are read, within a time. Private networks, the own machine and metadata services are refused unless
the operator's list (`CDP_OUTBOUND_ALLOW`) names the host or network; only then plain http is allowed too.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cdp.clock import stopwatch
from cdp.errors import InputError

LONGEST_URL = 2048
# Status and headers together; more is no answer but an attack on our time and memory.
LONGEST_HEAD = 256 * 1024
SECONDS = 10.0

_REFUSED = {
    "private_address": "The URL leads into a private network, which is not called.",
    "not_https": "The URL has to begin with https://.",
}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """The address may not be called; `code` says why in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Unreachable(Exception):
    """No complete answer came; `code` says why in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """What came back: status and headers by lower-case name."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Guard:
    """What may be called beside the public internet: host names, addresses and networks of the operator's list."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def of(cls, allowed: Iterable[str]) -> Guard:
        """From the operator's list; InputError for an entry that is neither a host nor a network."""
        hosts, networks = set(), []
        for entry in (one.strip().lower() for one in allowed):
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if not entry or "/" in entry or ":" in entry:
                    raise InputError(f"CDP_OUTBOUND_ALLOW: {entry!r} is neither a host name nor a network.") from None
                hosts.add(entry)
        return cls(frozenset(hosts), tuple(networks))

    @classmethod
    def listed(cls, text: str) -> Guard:
        """From the operator's list as one text, with commas between entries; raises as `of`."""
        return cls.of(one for one in text.split(",") if one.strip())

    def names(self, host: str, address: Address) -> bool:
        """Whether the operator's list names the host or its address."""
        return host.lower() in self.hosts or any(address in network for network in self.networks)

    def check(self, url: str) -> SplitResult:
        """The parts of a URL that is well formed; InputError says what is wrong with it. Resolves nothing."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InputError("The URL cannot be read.") from None
        if len(url) > LONGEST_URL or any(ord(one) <= 32 or ord(one) >= 127 for one in url):
            raise InputError("The URL is too long or holds characters that belong percent-encoded.")
        if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
            raise InputError("The URL needs the form https://HOST/PATH.")
        if parts.username or parts.password or parts.fragment:
            raise InputError("The URL must not hold a user name, a password or a fragment.")
        return parts


def require_callable(guard: Guard, url: str) -> None:
    """InputError for a URL that a call would refuse, as far as is known now; a name that nobody knows may come yet."""
    parts = guard.check(url)
    try:
        _judged(guard, parts.hostname or "", _port(parts), plain=parts.scheme == "http")
    except Refused as error:
        raise InputError(_REFUSED[error.code]) from None
    except Unreachable:
        return


def post(guard: Guard, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = SECONDS) -> Answer:
    """Send a request and read the answer, all within `seconds`. Raises Refused, Unreachable, InputError (bad URL)."""
    parts = guard.check(url)
    host = parts.hostname or ""
    port = _port(parts)
    deadline = stopwatch() + seconds
    addresses = _judged(guard, host, port, plain=parts.scheme == "http")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sock = _connected(addresses, port, deadline)
    try:
        if parts.scheme == "https":
            sock.settimeout(_left(deadline))
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        sock.settimeout(_left(deadline))
        sock.sendall(_request(f"POST {path} HTTP/1.1", {"Host": _netloc(parts), **headers}, body))
        return _answer(sock, deadline)
    except TimeoutError:
        raise Unreachable("timeout") from None
    except ssl.SSLCertVerificationError:
        raise Unreachable("certificate") from None
    except ssl.SSLError:
        raise Unreachable("no_tls") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unreachable("broken_answer") from None
    finally:
        sock.close()


def _connected(addresses: list[Address], port: int, deadline: float) -> socket.socket:
    """A connection to the first address that takes one; those left share what is left of the time."""
    why = "no_connection"
    for number, address in enumerate(addresses):
        try:
            share = _left(deadline) / (len(addresses) - number)
            return socket.create_connection((str(address), port), timeout=share)
        except TimeoutError:
            why = "timeout"
        except OSError:
            why = "no_connection"
    raise Unreachable(why)


def _judged(guard: Guard, host: str, port: int, *, plain: bool) -> list[Address]:
    """The addresses to connect to. Every address of the name has to pass: one private one among them is an attack."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable("unknown_host") from None
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found))
    if not addresses:
        raise Unreachable("unknown_host")
    named = all(guard.names(host, one) for one in addresses)
    if not named and not all(_is_public(one) for one in addresses):
        raise Refused("private_address")
    if plain and not named:
        raise Refused("not_https")
    return addresses


def _is_public(address: Address) -> bool:
    """Globally reachable, also what an IPv6 form of an IPv4 address hides."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        # 64:ff9b::/96 is how NAT64 writes an IPv4 address.
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return _is_public(inside)
        # What else is handed out to the public (RFC 4291, IANA): former forms of IPv4 addresses, site-local ones and
        # local NAT64 are not, whatever the standard library says of them.
        if address not in ipaddress.ip_network("2000::/3"):
            return False
    return address.is_global and not address.is_multicast


def _request(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [first]
    for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
        if any(ord(one) < 32 or ord(one) > 126 for one in name + value):
            raise ValueError("a header with control characters")
        lines.append(f"{name}: {value}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _answer(sock: socket.socket, deadline: float) -> Answer:
    answer = http.client.HTTPResponse(_Timed(sock, deadline), method="POST")  # type: ignore[arg-type]
    answer.begin()
    given = {name.lower(): value for name, value in answer.getheaders()}
    # Success or failure is in the status. A body may be endless and is nobody's business: it stays unread.
    return Answer(answer.status, given)


class _TimedReader(io.RawIOBase):
    """Reads that have only what is left of the time and of the head: a server that drips or pours does not hold us."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = LONGEST_HEAD

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Bytes as they come."""
        self._sock.settimeout(_left(self._deadline))
        came = self._sock.recv_into(buffer)
        self._left -= came
        if self._left < 0:
            raise ValueError("a head without end")
        return came


class _Timed:
    """The part of a socket that http.client asks for."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client reads from."""
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))


def _left(deadline: float) -> float:
    left = deadline - stopwatch()
    if left <= 0:
        raise TimeoutError
    return left


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _netloc(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host
