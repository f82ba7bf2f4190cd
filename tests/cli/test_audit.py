"""`merchantry audit` and `merchantry contacts`: what an auditor and an operator do with trail and buyers' data."""

import asyncio
import csv
import io
import json
from uuid import UUID

from tenancy.database import Database
from tests.builders import a_buyer, a_merchant
from tests.cli.running import Shell


def a_mall(shell: Shell) -> UUID:
    """Two merchants and a buyer."""

    async def work() -> UUID:
        database = Database(shell.logins, pool_size=2)
        try:
            await a_merchant(database, "kites")
            await a_merchant(database, "boats")
            return await a_buyer(database)
        finally:
            await database.close()

    return asyncio.run(work())


def test_the_trail_is_printed_in_three_forms_and_filtered(shell: Shell) -> None:
    a_mall(shell)
    events = json.loads(shell.done("audit", "--act", "merchant.*", "--format", "json"))
    assert sorted(event["after"]["slug"] for event in events) == ["boats", "kites"]
    [kites] = json.loads(shell.done("audit", "--merchant", "kites", "--format", "json"))
    assert (kites["after"]["slug"], kites["outcome"]) == ("kites", "DONE")
    rows = list(csv.DictReader(io.StringIO(shell.done("audit", "--merchant", "kites", "--format", "csv"))))
    assert [json.loads(row["after"])["slug"] for row in rows] == ["kites"]
    assert "merchant.create" in shell.done("audit")
    assert json.loads(shell.done("audit", "--outcome", "REFUSED", "--format", "json")) == []


def test_a_buyer_is_erased_and_addresses_in_clear_are_sealed_from_the_command_line(shell: Shell) -> None:
    buyer = a_mall(shell)
    assert "0 addresses were sealed" in shell.done("contacts", "seal")
    assert "30 days" in shell.done("contacts", "keep", "--days", "30")
    assert "Done." in shell.done("contacts", "erase", str(buyer), "--reason", "they wrote a letter")
    [erased] = json.loads(shell.done("audit", "--act", "buyer.erase", "--format", "json"))
    assert (erased["subject"], erased["actor"]) == (str(buyer), "system:command")
