"""The pretended wallet provider as a process of its own."""

import re
import signal
from pathlib import Path

import httpx

from tests.cli.running import running

TRANSFER = {"amount": "12.30", "currency": "EUR", "wallet_id": "ok-1", "reference": "PO-1"}
KEY = "00000000-0000-4000-8000-000000000001"


def test_it_serves_until_a_signal_and_keeps_its_books(tmp_path: Path) -> None:
    for asked_before in (0, 1):
        words = ("simulator", "--port", "0", "--books", "books.sqlite", "--token", "secret")
        with running(tmp_path, *words) as server:
            server.printed("Serving http", 20)
            address = re.search(r"http://\S+", server.errors.read_text())
            assert address
            assert httpx.get(address[0]).status_code == 401
            with httpx.Client(headers={"Authorization": "Bearer secret"}) as client:
                assert len(client.get(address[0]).json()) == asked_before
                answer = client.post(address[0], json=TRANSFER, headers={"Idempotency-Key": KEY})
                assert answer.json()["status"] == "paid"
            assert server.ends_by(signal.SIGTERM) == 0
