"""What webhooks may be sent to: the public internet over https, however else an inner address is spelled."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import InvalidInput
from merchantry.domain.webhook_url import is_public, parse_url

REFUSED = {
    "loopback": "https://127.0.0.1/",
    "loopback elsewhere": "https://127.8.9.10/",
    "short": "https://127.1/",
    "shorter": "https://127/",
    "decimal": "https://2130706433/",
    "hexadecimal": "https://0x7f000001/",
    "hexadecimal parts": "https://0x7f.0.0.1/",
    "hexadecimal last": "https://127.0.0.0x1/",
    "octal": "https://0177.0.0.1/",
    "octal whole": "https://017700000001/",
    "leading zeros": "https://127.000.000.001/",
    "too large a part": "https://127.0.0.256/",
    "a dot behind an address": "https://127.0.0.1./",
    "a dot behind a number": "https://2130706433./",
    "a dot behind localhost": "https://localhost./",
    "a dot behind a name": "https://hooks.example.com./",
    "localhost": "https://localhost/",
    "localhost in capitals": "https://LocalHost/",
    "below localhost": "https://a.localhost/",
    "one label": "https://intranet/",
    "local": "https://printer.local/",
    "internal": "https://metadata.google.internal/computeMetadata/v1/",
    "home.arpa": "https://nas.home.arpa/",
    "unspecified": "https://0.0.0.0/",
    "zero": "https://0/",
    "this network": "https://0.1.2.3/",
    "private 10": "https://10.0.0.1/",
    "private 172": "https://172.31.255.255/",
    "private 192": "https://192.168.1.1/",
    "shared": "https://100.64.0.1/",
    "cloud metadata in shared": "https://100.100.100.200/",
    "link-local": "https://169.254.169.254/latest/meta-data/",
    "wire server": "https://168.63.129.16/",
    "protocol assignments": "https://192.0.0.192/",
    "documentation": "https://192.0.2.1/",
    "6to4 relay": "https://192.88.99.1/",
    "benchmarks": "https://198.19.0.1/",
    "multicast": "https://224.0.0.1/",
    "reserved": "https://240.0.0.1/",
    "broadcast": "https://255.255.255.255/",
    "v6 loopback": "https://[::1]/",
    "v6 unspecified": "https://[::]/",
    "v6 mapped": "https://[::ffff:127.0.0.1]/",
    "v6 mapped in hexadecimal": "https://[::ffff:7f00:1]/",
    "v6 mapped public": "https://[::ffff:8.8.8.8]/",
    "v6 compatible": "https://[::127.0.0.1]/",
    "v6 translated": "https://[::ffff:0:127.0.0.1]/",
    "6to4": "https://[2002:7f00:1::]/",
    "NAT64": "https://[64:ff9b::7f00:1]/",
    "local NAT64": "https://[64:ff9b:1::a00:1]/",
    "Teredo": "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "ISATAP": "https://[2a00:1450::5efe:a00:1]/",
    "v6 link-local": "https://[fe80::1]/",
    "v6 with a zone": "https://[fe80::1%25eth0]/",
    "public v6 with a zone": "https://[2a00:1450::1%eth0]/",
    "v6 site-local": "https://[fec0::1]/",
    "v6 unique local": "https://[fc00::1]/",
    "v6 cloud metadata": "https://[fd00:ec2::254]/",
    "v6 multicast": "https://[ff02::1]/",
    "v6 documentation": "https://[2001:db8::1]/",
    "v6 documentation, newer": "https://[3fff::1]/",
    "v6 without brackets": "https://::1/",
    "v4 in brackets": "https://[127.0.0.1]/",
    "future address": "https://[v1.fe80]/",
    "fullwidth digits": "https://１２７.０.０.１/",
    "circled digits": "https://①②⑦.⓪.⓪.①/",
    "ideographic dots": "https://127。0。0。1/",
    "letters beyond ASCII": "https://bücher.example/",
    "percent in the host": "https://127%2e0.0.1/",
    "http": "http://hooks.example.com/",
    "ftp": "ftp://hooks.example.com/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://hooks.example.com/",
    "no scheme": "hooks.example.com/",
    "no host": "https:///x",
    "scheme only": "https:hooks.example.com",
    "a name before": "https://user@hooks.example.com/",
    "name and password": "https://user:secret@hooks.example.com/",
    "another host behind": "https://hooks.example.com@127.0.0.1/",
    "backslash": "https://hooks.example.com\\@127.0.0.1/",
    "fragment": "https://hooks.example.com/#x",
    "empty fragment": "https://hooks.example.com/#",
    "ssh's port": "https://hooks.example.com:22/",
    "mail's port": "https://hooks.example.com:25/",
    "http's port": "https://hooks.example.com:80/",
    "port 0": "https://hooks.example.com:0/",
    "empty port": "https://hooks.example.com:/",
    "port too high": "https://hooks.example.com:65536/",
    "port of letters": "https://hooks.example.com:https/",
    "line break": "https://hooks.example.com/\r\nx: y",
    "tab in the scheme": "ht\ttps://127.0.0.1/",
    "space": "https://hooks.example.com/a b",
    "NUL": "https://hooks.example.com/\x00",
    "underscore": "https://hooks_a.example.com/",
    "empty label": "https://hooks..example.com/",
    "label too long": f"https://{'a' * 64}.example.com/",
    "name too long": f"https://{'a.' * 130}com/",
    "too long": "https://hooks.example.com/" + "a" * 2_000,
    "empty": "",
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_leads_inward_or_is_spelled_strangely_is_refused(form: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(REFUSED[form])
    assert caught.value.path == ("url",)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://Hooks.Example.com/a?b=c%20d", "hooks.example.com", 443, "/a?b=c%20d", "hooks.example.com"),
        ("https://hooks.example.com:443/", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://hooks.example.com:8443//x", "hooks.example.com", 8443, "//x", "hooks.example.com:8443"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://93.184.215.14/", "93.184.215.14", 443, "/", "93.184.215.14"),
        ("https://[2a00:1450:4001::200e]/", "2a00:1450:4001::200e", 443, "/", "[2a00:1450:4001::200e]"),
        ("https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443, "/", "127.0.0.1.example.com"),
    ],
    ids=["plain", "capitals", "own port", "high port", "punycode", "v4", "v6", "numbers in a name"],
)
def test_hosts_of_the_internet_are_taken(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = parse_url(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)


def test_for_trying_ones_own_machine_is_taken() -> None:
    for url in ("http://127.0.0.1:81/hook", "http://localhost:5000/", "https://[::1]/"):
        assert parse_url(url, allows_private=True).url == url
    for url in ("ftp://localhost/", "http://user@localhost/", "http://0x7f.1/"):
        with pytest.raises(InvalidInput):
            parse_url(url, allows_private=True)


@given(st.ip_addresses())
def test_no_address_is_public_that_pythons_own_list_calls_private(address: object) -> None:
    found = ip_address(str(address))
    if found.is_private or found.is_multicast or found.is_reserved or found.is_loopback or found.is_link_local:
        assert not is_public(found)
