"""A merchant whose week is closed, and providers that really run: a wallet on a socket, a bank's outbox of files."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from merchantry.domain.payee import PayeeKind
from merchantry.gateways.bank_file import BankFiles
from merchantry.gateways.payout import PayoutGateway
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.wallet import WalletProvider
from merchantry.jobs import reconciliation, worker
from merchantry.jobs.reconciliation import Reconciled
from merchantry.jobs.tools import Tools
from merchantry.services import payee
from merchantry.services.payee_details import NewAccount
from merchantry.services.vault import Vault
from merchantry.tables.case import review_case
from merchantry.tables.payout import payout_instruction
from tenancy.database import Database
from tests.builders import NOON, a_vault, an_act
from tests.gateways.papers import DEBTOR, IBAN
from tests.services.books import Shelf, a_shelf
from tests.services.test_settlement import local, payouts

WEEKS_END = local(2026, 3, 9)
TOKEN = "secret"
PATIENCE_SECONDS = 0.5


@dataclass
class Desk:
    """Where payouts are made and answers heard; ``now`` is what the clock shows."""

    database: Database
    directory: Path
    wallet_url: str = ""
    vault: Vault = field(default_factory=a_vault)
    now: datetime = WEEKS_END + timedelta(hours=1)

    @property
    def tools(self) -> Tools:
        """The real adapters."""
        providers: dict[str, PayoutGateway] = {"bank": BankFiles(self.directory / "bank", DEBTOR)}
        if self.wallet_url:
            providers["wallet"] = WalletProvider(self.wallet_url, TOKEN, limits={}, timeout_seconds=PATIENCE_SECONDS)
        sandbox = Sandbox(self.database, lambda: self.now, "")
        return Tools(self.database, sandbox, lambda: self.now, self.vault, providers)

    async def a_shelf(self, amount_minor: int = 500, *, wallet_id: str | None = None, currency: str = "EUR") -> Shelf:
        """A merchant with an account, whose week is closed with a payout planned."""
        shelf = await a_shelf(self.database)
        account: dict[str, Any] = dict.fromkeys(("iban", "account_number", "bic", "country", "wallet_id"))
        account |= {"wallet_id": wallet_id} if wallet_id else {"iban": IBAN}
        kind = PayeeKind.WALLET if wallet_id else PayeeKind.BANK
        new = NewAccount(kind=kind, currency=currency, holder="Lamps and more", **account)
        account_id = uuid4()
        async with self.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
            await payee.add_account(session, self.vault, new, account_id, an_act("staff:owner", NOON))
            await payee.verify_account(session, account_id, an_act("platform:finance", NOON))
        await shelf.sell(amount_minor, local(2026, 3, 3), currency=currency)
        await shelf.close(WEEKS_END)
        return shelf

    async def work(self, minutes: int = 0) -> int:
        """Time passes, and a worker does what is due."""
        self.now += timedelta(minutes=minutes)
        return await worker.run_due(self.tools, self.now, concurrency=1)

    async def reconcile(self, data: bytes) -> Reconciled:
        """A file of the bank or the provider comes in."""
        return await reconciliation.take_file(self.database, data, an_act("platform:finance", self.now))

    async def status(self, shelf: Shelf) -> tuple[str, int]:
        """Of the merchant's latest payout, and what of it is paid."""
        last = (await payouts(shelf))[-1]
        return last.status, last.paid_minor

    async def references(self, shelf: Shelf) -> list[str]:
        """What the bank's lines show for the merchant's transfers, in the order in which they were made."""
        table = payout_instruction.c
        chosen = select(table.reference).where(table.merchant_id == shelf.merchant.id)
        async with self.database.read("test") as tx, tx.as_platform() as session:
            return list((await session.execute(chosen.order_by(table.created_at, table.position))).scalars())

    async def cases(self) -> list[tuple[str, str]]:
        """Kinds and titles of all cases."""
        async with self.database.read("test") as tx, tx.as_platform() as session:
            rows = await session.execute(select(review_case.c.kind, review_case.c.title).order_by(review_case.c.title))
            return [(row.kind, row.title) for row in rows]

    async def ended_cases(self) -> list[tuple[str, str, str]]:
        """Kind, status and reason of the cases that are not open any more."""
        table = review_case.c
        async with self.database.read("test") as tx, tx.as_platform() as session:
            chosen = select(table.kind, table.status, table.reason).where(table.status != "open")
            return [(row.kind, row.status, row.reason) for row in await session.execute(chosen.order_by(table.title))]
