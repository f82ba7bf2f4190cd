"""Where webhooks may be sent: https, to a host of the public internet, and nowhere that only we can reach.

Special addresses are those of the IANA registries (RFC 6890 and its updates), what carries an IPv4 address inside an
IPv6 one (mapped, compatible, 6to4, Teredo, NAT64, ISATAP), and the addresses at which clouds tell their machines
secrets. Names are refused by form here; what they stand for is checked when it is known, at every sending.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded

Address: TypeAlias = IPv4Address | IPv6Address

MAX_URL: Final = 2_000
PORTS: Final = {"https": 443, "http": 80}
LOWEST_PORT: Final = 1024
"""Beside the scheme's own, only ports from here on: below are mail, remote shells and their like."""

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FORM: Final = re.compile(r"[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label of which the URL Standard makes a number: then the whole host is an IPv4 address in some spelling."""

LOCAL_NAMES: Final = frozenset(
    {
        "localhost",
        "localdomain",
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "onion",
        "alt",
        "invalid",
        "home.arpa",
    }
)
"""Names, and whatever ends in them, that the public internet does not have (RFC 6761, 8375, 9476; ICANN's internal)."""

_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_V6_PUBLIC: Final = IPv6Network("2000::/3")
"""All that is given out; mapped, NAT64, local, link-local and multicast addresses are outside of it."""

_V6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "3ffe::/16"))
)
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE, 0x01005EFE, 0x03005EFE})


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be written down as an endpoint's: its parts as they are sent.

    ``address`` is the host where that is an address itself; a name has to be looked up, and then checked.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def authority(self) -> str:
        """Host and port as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and carries none that is not."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _V4)
    if address.scope_id is not None or address not in _V6_PUBLIC or any(address in network for network in _V6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def parse_url(url: str, *, allows_private: bool = False) -> Target:
    """An endpoint's URL, checked as far as it can be without looking anything up. Raises InvalidInput.

    ``allows_private`` is for trying and for tests: http, any port, and addresses of one's own machine and network.
    """
    if not 0 < len(url) <= MAX_URL or not _FORM.fullmatch(url) or "\\" in url:
        raise _refused("Give a URL of up to {most} ASCII characters; write other letters as xn-- and %.", most=MAX_URL)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refused("This is no URL.") from None
    if parts.scheme not in PORTS or (parts.scheme != "https" and not allows_private):
        raise _refused("Give a URL that begins with https://.")
    if not host or "@" in parts.netloc or "%" in parts.netloc:
        raise _refused("Give a host without a name, password or percent sign before or in it.")
    if parts.fragment or "#" in url:
        raise _refused("Leave out what follows #.")
    number = _port(parts.scheme, port, parts.netloc, allows_private=allows_private)
    address = _address_of(host, is_bracketed="[" in parts.netloc)
    if address is None:
        _check_name(host, allows_private=allows_private)
    elif not (allows_private or is_public(address)):
        raise _refused("This address is not one of the public internet.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, parts.scheme, host, number, path, address)


def _port(scheme: str, port: int | None, netloc: str, *, allows_private: bool) -> int:
    if netloc.endswith(":") or port == 0:
        raise _refused("Give a port, or leave out the colon.")
    number = PORTS[scheme] if port is None else port
    if number != PORTS[scheme] and number < LOWEST_PORT and not allows_private:
        raise _refused("Give port {usual}, or one from {lowest} on.", usual=PORTS[scheme], lowest=LOWEST_PORT)
    return number


def _address_of(host: str, *, is_bracketed: bool) -> Address | None:
    """The address that a host is, in its usual spelling; None for a name. Raises InvalidInput."""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if is_bracketed != isinstance(address, IPv6Address):
        raise _refused("Write an IPv6 address in brackets, and nothing else.")
    if address is None and _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise _refused("Write an IPv4 address as four decimal numbers.")
    return address


def _check_name(host: str, *, allows_private: bool) -> None:
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _refused("This is no host's name; leave out a dot at its end.")
    if allows_private:
        return
    endings = {".".join(labels[at:]) for at in range(len(labels))}
    if len(labels) == 1 or endings & LOCAL_NAMES:
        raise _refused("This host is not one of the public internet.")


def _refused(template: str, **facts: object) -> InvalidInput:
    return InvalidInput(reason=Worded(template, **facts), path=("url",))
