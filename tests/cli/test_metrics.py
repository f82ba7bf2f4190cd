"""Who reads the metrics: everybody on this machine, elsewhere and with a token only who sends it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from merchantry.cli.failures import CommandRefused
from merchantry.cli.metrics import exposed
from tenancy.logins import Logins

TOKEN = "c2NyYXBlciBvZiB0aGUgbWFsbA=="


@contextmanager
def metrics(
    logins: Logins, capsys: pytest.CaptureFixture[str], token: str | None, host: str = "127.0.0.1"
) -> Iterator[str]:
    with exposed(0, host, token, logins):
        found = re.search(r"http://\S+/metrics", capsys.readouterr().err)
        assert found
        yield found[0].replace("0.0.0.0", "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"], ids=["loopback", "public"])
def test_with_a_token_only_who_sends_it_reads(logins: Logins, capsys: pytest.CaptureFixture[str], host: str) -> None:
    with metrics(logins, capsys, TOKEN, host) as url:
        for given in (None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"bearer {TOKEN}", "Bearer \xff"):
            headers = [] if given is None else [(b"authorization", given.encode("latin-1"))]
            refused = httpx.get(url, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"], refused.content) == (401, "Bearer", b"")
        read = httpx.get(url, headers={"authorization": f"Bearer {TOKEN}"})
        assert "merchantry_database_up 1.0" in read.text


def test_on_this_machine_everybody_reads(logins: Logins, capsys: pytest.CaptureFixture[str]) -> None:
    with metrics(logins, capsys, None) as url:
        assert "merchantry_database_up 1.0" in httpx.get(url).text


@pytest.mark.parametrize(
    ("host", "token"),
    [
        ("0.0.0.0", None),
        ("::", None),
        ("192.0.2.1", None),
        ("metrics.example", None),
        ("127.0.0.1", "short"),
        ("127.0.0.1", ""),
        ("127.0.0.1", "with spaces in it and long"),
        ("127.0.0.1", "\u00e9" * 20),
    ],
    ids=["all", "all of v6", "another", "a name", "short", "empty", "spaces", "letters"],
)
def test_what_would_be_everybodys_is_refused(logins: Logins, host: str, token: str | None) -> None:
    with pytest.raises(CommandRefused), exposed(0, host, token, logins):
        pass
