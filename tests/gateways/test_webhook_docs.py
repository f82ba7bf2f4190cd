"""The example of docs/webhooks.md takes what we send and nothing else."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from merchantry.domain.webhook import RETRIES, body_of, headers_of, pause_after, secret_text, wait_after

DOCUMENT = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
SECRET = bytes(range(32))
Received = Callable[[str, dict[str, str], bytes], dict[str, Any] | None]


@pytest.fixture
def received() -> Received:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    found: Received = names["received"]
    return found


def test_the_example_takes_what_is_ours_and_refuses_what_is_not(received: Received) -> None:
    now, body = datetime.now(UTC), body_of("order.paid", datetime.now(UTC), 1, {"number": "R-1 – ä"})
    event_id = uuid4()
    headers = headers_of(event_id, now, body, [bytes(32), SECRET])
    secret = secret_text(SECRET)
    content = received(secret, headers, body)
    assert content is not None
    assert content["data"] == {"number": "R-1 – ä"}
    assert received(secret, headers, body + b" ") is None
    assert received(secret, {**headers, "webhook-id": str(uuid4())}, body) is None
    assert received(secret_text(bytes(range(1, 33))), headers, body) is None
    old = headers_of(event_id, now - timedelta(minutes=6), body, [SECRET])
    assert received(secret, old, body) is None


def test_waits_are_those_of_the_page_drawn_out_by_a_fifth_at_most() -> None:
    assert "5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in DOCUMENT
    assert [wait_after(number, 0) for number in range(1, 10)] == list(RETRIES)
    assert wait_after(10, 0) is None
    assert wait_after(1, 0.999) < timedelta(seconds=6.01)  # type: ignore[operator]
    assert [pause_after(number) for number in (4, 5, 6, 100)] == [
        None,
        timedelta(seconds=5),
        timedelta(seconds=10),
        timedelta(minutes=10),
    ]
