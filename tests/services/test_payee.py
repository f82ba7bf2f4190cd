"""A payee's account is known to whoever sends money to it, and a change of it is paid to late and by two people."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select, update

from merchantry.domain.errors import Busy, InvalidInput, NotFound, OwnAct, PayeeAccountRefused, UnknownCurrency
from merchantry.domain.payee import COOL_OFF, PayeeKind, PayeeStatus
from merchantry.gateways.payout import Payee, PayeeBank, PayeeWallet
from merchantry.services import payee
from merchantry.services.payee import PayeeAccount
from merchantry.services.payee_details import NewAccount
from merchantry.services.vault import Vault
from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.payout import merchant_key
from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.principals import Merchant
from tenancy.schemas import schema_of
from tests.builders import NOON, a_merchant, a_vault, an_act

IBAN, OTHER_IBAN = "DE89370400440532013000", "FR1420041010050500013M02606"
OWNER, FINANCE = "staff:6b8f1f0e-7c52-4f7e-9a37-0d6b7b8f2a11", "platform:0a4f2f67-77cd-4a3f-8a44-6f6f3c9a1b22"


def an_account(**changed: Any) -> NewAccount:
    """An account at a bank, by its IBAN."""
    usual: dict[str, Any] = {"kind": PayeeKind.BANK, "currency": "EUR", "holder": "Ana Souza", "iban": IBAN}
    return NewAccount(**{**usual, **changed})


async def add(
    database: Database, merchant: Merchant, vault: Vault, at: datetime = NOON, **changed: Any
) -> PayeeAccount:
    """Add an account in a transaction of its own."""
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await payee.add_account(session, vault, an_account(**changed), uuid4(), an_act(OWNER, at))


async def verify(database: Database, merchant: Merchant, account_id: UUID, at: datetime = NOON) -> PayeeAccount:
    """Verify it as somebody else."""
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await payee.verify_account(session, account_id, an_act(FINANCE, at))


async def usable(database: Database, merchant: Merchant, at: datetime) -> UUID | None:
    """The account that euros are paid to at a moment."""
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        found = await payee.usable_account(session, "EUR", at)
    return found[0] if found else None


async def opened(database: Database, merchant: Merchant, vault: Vault, account_id: UUID) -> Payee:
    """What a transfer is sent with."""
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        return await payee.payee_of(session, vault, account_id)


async def test_an_account_opens_to_exactly_what_was_given_and_shows_its_end(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    added = await add(database, merchant, vault, iban="DE89 3704 0044 0532 0130 00", holder=" Ana Souza ")
    assert (added.shown, added.status, added.created_by) == ("•••• 3000", PayeeStatus.COOLING, OWNER)
    bank = PayeeBank("Ana Souza", IBAN, None, None, "DE")
    assert await opened(database, merchant, vault, added.id) == bank
    numbered = await add(
        database, merchant, vault, currency="BRL", iban=None, account_number="12345-6", bic="BRASBRRJ", country="BR"
    )
    assert numbered.shown == "•••• 456"
    assert await opened(database, merchant, vault, numbered.id) == PayeeBank(
        "Ana Souza", None, "123456", "BRASBRRJ", "BR"
    )
    wallet = await add(database, merchant, vault, kind=PayeeKind.WALLET, currency="CNY", iban=None, wallet_id="ana@w")
    assert await opened(database, merchant, vault, wallet.id) == PayeeWallet("Ana Souza", "ana@w")
    assert wallet.shown == "•••• @w"


REFUSED = {
    "an IBAN with a wrong digit": ({"iban": "DE89370400440532013001"}, "iban"),
    "no number at all": ({"iban": None}, "account_number"),
    "a number without its bank": ({"iban": None, "account_number": "123456", "country": "BR"}, "bic"),
    "a number without a country": ({"iban": None, "account_number": "123456", "bic": "BRASBRRJ"}, "country"),
    "IBAN and number": ({"account_number": "123456"}, "account_number"),
    "a BIC that is none": ({"bic": "NOBANK"}, "bic"),
    "another country than the IBAN's": ({"country": "FR"}, "country"),
    "no holder": ({"holder": " "}, "holder"),
    "a holder of two lines": ({"holder": "Ana\nSouza"}, "holder"),
    "a holder without a letter": ({"holder": "123"}, "holder"),
    "a wallet's id at a bank": ({"wallet_id": "ana@wallet"}, "wallet_id"),
    "a wallet with an IBAN": ({"kind": PayeeKind.WALLET, "wallet_id": "ana@wallet"}, "iban"),
    "a wallet without its id": ({"kind": PayeeKind.WALLET, "iban": None}, "wallet_id"),
    "a wallet's id with a blank": ({"kind": PayeeKind.WALLET, "iban": None, "wallet_id": "ana souza"}, "wallet_id"),
    "no currency": ({"currency": "XXX"}, "currency"),
}


@pytest.mark.parametrize(("changed", "field"), REFUSED.values(), ids=list(REFUSED))
async def test_what_is_no_account_is_refused_where_it_is_wrong(
    database: Database, changed: dict[str, Any], field: str
) -> None:
    merchant = await a_merchant(database)
    with pytest.raises((InvalidInput, UnknownCurrency)) as refused:
        await add(database, merchant, a_vault(), **changed)
    assert refused.value.path == (field,)
    assert IBAN not in str(refused.value)
    assert await rows(database, merchant) == []


async def rows(database: Database, merchant: Merchant) -> list[Any]:
    """All accounts as they are stored."""
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        return list(await session.execute(select(payee_account).order_by(payee_account.c.created_at)))


async def test_the_first_account_is_paid_to_once_somebody_else_has_verified_it(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    added = await add(database, merchant, vault)
    assert await usable(database, merchant, NOON + COOL_OFF) is None
    with pytest.raises(OwnAct):
        async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
            await payee.verify_account(session, added.id, an_act(OWNER.replace("staff:", "platform:")))
    assert (await verify(database, merchant, added.id)).status is PayeeStatus.VERIFIED
    assert await usable(database, merchant, NOON) == added.id
    with pytest.raises(PayeeAccountRefused):
        await verify(database, merchant, added.id)


async def test_a_changed_account_waits_for_its_cooling_off_even_if_verified_at_once(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    first = await add(database, merchant, vault)
    await verify(database, merchant, first.id)
    later = NOON + timedelta(days=30)
    second = await add(database, merchant, vault, later, iban=OTHER_IBAN)
    assert [row.status for row in await rows(database, merchant)] == ["retired", "cooling"]
    await verify(database, merchant, second.id, later)
    assert await usable(database, merchant, later + COOL_OFF - timedelta(seconds=1)) is None
    assert await usable(database, merchant, later + COOL_OFF) == second.id
    assert await opened(database, merchant, vault, first.id) == PayeeBank("Ana Souza", IBAN, None, None, "DE")


async def test_retiring_an_account_first_does_not_spare_the_next_its_cooling_off(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    first = await add(database, merchant, vault)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await payee.retire_account(session, first.id, an_act(OWNER))
    assert (await add(database, merchant, vault, iban=OTHER_IBAN)).usable_from == NOON + COOL_OFF
    assert (await add(database, merchant, vault, currency="USD")).usable_from == NOON


async def test_of_two_accounts_added_at_once_one_is_in_use_and_both_or_one_are_stored(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    answers = await asyncio.gather(
        *(add(database, merchant, vault, iban=iban) for iban in (IBAN, OTHER_IBAN) * 3), return_exceptions=True
    )
    added = [each for each in answers if isinstance(each, PayeeAccount)]
    assert added
    assert all(isinstance(each, PayeeAccount | Busy) for each in answers), answers
    stored = await rows(database, merchant)
    assert len(stored) == len(added)
    assert sum(row.status != "retired" for row in stored) == 1
    assert sum(row.usable_from == NOON for row in stored) == 1
    assert await key_versions(database, merchant) == [1]
    for each in added:
        assert isinstance(await opened(database, merchant, vault, each.id), PayeeBank)


async def key_versions(database: Database, merchant: Merchant) -> list[int]:
    """The versions of the merchant's data key."""
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        return list((await session.execute(select(merchant_key.c.version))).scalars())


async def test_a_flagged_account_is_not_paid_to_until_somebody_has_looked(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    added = await add(database, merchant, vault)
    await verify(database, merchant, added.id)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        flagged = await payee.flag_account(session, added.id, "The bank asks who this is.", an_act(FINANCE))
        assert (flagged.status, flagged.flagged) == (PayeeStatus.FLAGGED, "The bank asks who this is.")
        assert await payee.usable_account(session, "EUR", NOON) is None
        for refused in (
            payee.check_payable(session, added.id),
            payee.verify_account(session, added.id, an_act(FINANCE)),
            payee.flag_account(session, added.id, "again", an_act(FINANCE)),
        ):
            with pytest.raises(PayeeAccountRefused):
                await refused
        with pytest.raises(OwnAct):
            await payee.unflag_account(session, added.id, an_act(OWNER))
        unflagged = await payee.unflag_account(session, added.id, an_act(FINANCE))
        assert (unflagged.status, unflagged.flagged) == (PayeeStatus.VERIFIED, None)
        await payee.check_payable(session, added.id)


async def test_an_account_that_was_flagged_unverified_still_needs_verifying(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    added = await add(database, merchant, vault)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await payee.flag_account(session, added.id, "Look.", an_act(FINANCE))
        assert (await payee.unflag_account(session, added.id, an_act(FINANCE))).status is PayeeStatus.COOLING
        assert await payee.usable_account(session, "EUR", NOON) is None


async def test_an_account_of_another_merchant_is_not_found(database: Database) -> None:
    merchant, other, vault = await a_merchant(database), await a_merchant(database), a_vault()
    added = await add(database, merchant, vault)
    async with database.write("test") as tx, tx.as_merchant(other.id) as session:
        for act in (
            payee.account(session, added.id),
            payee.payee_of(session, vault, added.id),
            payee.verify_account(session, added.id, an_act(FINANCE)),
            payee.flag_account(session, added.id, "mine", an_act(FINANCE)),
            payee.unflag_account(session, added.id, an_act(FINANCE)),
            payee.retire_account(session, added.id, an_act(FINANCE)),
        ):
            with pytest.raises(NotFound):
                await act
    assert (await opened(database, merchant, vault, added.id)).holder == "Ana Souza"


async def test_what_is_sealed_opens_in_no_other_row_and_for_no_other_merchant(database: Database) -> None:
    merchant, thief, vault = await a_merchant(database), await a_merchant(database), a_vault()
    first = await add(database, merchant, vault)
    second = await add(database, merchant, vault, currency="USD", iban=OTHER_IBAN)
    stolen = await add(database, thief, vault, iban=OTHER_IBAN)
    (sealed,) = [row.sealed for row in await rows(database, merchant) if row.id == first.id]
    for owner, account_id in ((merchant, second.id), (thief, stolen.id)):
        async with database.write("test") as tx, tx.as_merchant(owner.id) as session:
            moved = update(payee_account).where(payee_account.c.id == account_id).values(sealed=sealed)
            await session.execute(moved)
        for each in (vault, a_vault()):
            with pytest.raises(VaultError):
                await opened(database, owner, each, account_id)
    assert await opened(database, merchant, vault, first.id) == PayeeBank("Ana Souza", IBAN, None, None, "DE")


async def test_no_table_holds_the_number_or_its_holder_in_any_form_that_can_be_read(
    database: Database, logins: Logins
) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    added = await add(database, merchant, vault, holder="Quirina Xavier")
    await verify(database, merchant, added.id)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await payee.flag_account(session, added.id, "Look.", an_act(FINANCE))
    found = dict(contents(logins, merchant))
    assert str(added.id) in found["payee_account"]
    assert all(str(added.id) in found[name] for name in ("audit_event", "outbox"))
    for name, text in found.items():
        for secret in (IBAN, IBAN[-8:], "Quirina", "Xavier"):
            for written in (secret, secret.encode().hex(), secret.lower()):
                assert written not in text, (name, written)


def contents(logins: Logins, merchant: Merchant) -> Iterator[tuple[str, str]]:
    """Every row of both schemas as text; bytes as hexadecimal digits."""
    with psycopg.connect(logins.owner) as connection:
        for schema, tables in ((schema_of(merchant.id), MERCHANT_TABLES), ("platform", PLATFORM_TABLES)):
            for table in tables.sorted_tables:
                query = sql.SQL("SELECT coalesce(string_agg(t::text, ' '), '') FROM {} AS t")
                row = connection.execute(query.format(sql.Identifier(schema, table.name))).fetchone()
                yield table.name, str(row[0] if row else "")


async def add_and_open_in_vain(database: Database, merchant: Merchant, vault: Vault) -> None:
    """Both in a transaction that fails."""
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        added = await payee.add_account(session, vault, an_account(), uuid4(), an_act(OWNER))
        await payee.payee_of(session, vault, added.id)
        raise ZeroDivisionError


async def test_a_key_of_a_transaction_that_was_undone_is_never_used(database: Database) -> None:
    merchant, ring = await a_merchant(database), MasterKeys.generate("1")
    first, second = Vault(lambda: ring), Vault(lambda: ring)
    with pytest.raises(ZeroDivisionError):
        await add_and_open_in_vain(database, merchant, first)
    kept = await add(database, merchant, second)
    assert (await opened(database, merchant, first, kept.id)).holder == "Ana Souza"
    again = await add(database, merchant, first, iban=OTHER_IBAN)
    assert (await opened(database, merchant, second, again.id)).holder == "Ana Souza"


async def test_without_the_master_key_nothing_opens(database: Database) -> None:
    merchant, vault = await a_merchant(database), a_vault()
    kept = await add(database, merchant, vault)
    with pytest.raises(VaultError):
        await opened(database, merchant, a_vault(), kept.id)
    with pytest.raises(VaultError):
        await add(database, merchant, a_vault(), iban=OTHER_IBAN)
    assert await usable(database, merchant, NOON) is None
    assert [row.status for row in await rows(database, merchant)] == ["cooling"]


async def test_a_vault_learns_of_a_master_key_that_came_after_it(database: Database) -> None:
    merchant, rings = await a_merchant(database), [MasterKeys.generate("1")]
    vault = Vault(lambda: rings[-1])
    rings.append(rings[0].with_new_current("2"))
    added = await add(database, merchant, Vault(lambda: rings[-1]))
    assert (await opened(database, merchant, vault, added.id)).holder == "Ana Souza"
    assert vault.ring.current_id == "2"


def test_what_is_given_is_not_shown_where_it_is_printed() -> None:
    assert IBAN not in repr(an_account())
    assert "Ana" not in repr(an_account())
