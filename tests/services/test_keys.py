"""Keys are replaced while accounts stay readable, and a replacement that was ended anywhere is simply begun again."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from merchantry.services import keys, payee
from merchantry.services.vault import Vault
from merchantry.tables.merchant_settlement import payee_account
from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import MasterKeys
from merchantry.vault.seal import key_version
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, an_act
from tests.services.test_payee import OTHER_IBAN, add, key_versions, opened

LATER = NOON + timedelta(days=100)


async def rewrap_once(database: Database, ring: MasterKeys) -> int:
    async with database.write("test") as tx, tx.as_platform() as session:
        return await keys.rewrap_some(session, ring, an_act())


async def re_encrypt(database: Database, merchant: Merchant, vault: Vault) -> int:
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await keys.re_encrypt(session, vault, LATER, an_act(at=LATER + timedelta(minutes=1)))


async def sealed_with(database: Database, merchant: Merchant) -> set[int]:
    """The versions of the data key that the merchant's accounts are sealed with."""
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        return {
            key_version(bytes(sealed)) for sealed in (await session.execute(select(payee_account.c.sealed))).scalars()
        }


async def test_a_rotation_that_was_ended_goes_on_and_the_old_master_key_is_needed_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "BATCH", 2)
    old = MasterKeys.generate("1")
    ring = old.with_new_current("2")
    merchants = [await a_merchant(database) for _ in range(3)]
    accounts = [await add(database, each, Vault(lambda: old)) for each in merchants]
    assert await rewrap_once(database, ring) == 2
    async with database.read("test") as tx, tx.as_platform() as session:
        assert await keys.wrapped_by(session) == {"1": 1, "2": 2}
        assert sorted(await keys.merchants_with_keys(session)) == sorted(each.id for each in merchants)
    assert [await rewrap_once(database, ring), await rewrap_once(database, ring)] == [1, 0]
    without_old = ring.without("1")
    for merchant, account in zip(merchants, accounts, strict=True):
        assert (await opened(database, merchant, Vault(lambda: without_old), account.id)).holder == "Ana Souza"
        with pytest.raises(VaultError):
            await opened(database, merchant, Vault(lambda: old), account.id)


async def test_a_ring_without_a_needed_master_key_changes_nothing(database: Database) -> None:
    merchant, old = await a_merchant(database), MasterKeys.generate("1")
    account = await add(database, merchant, Vault(lambda: old))
    with pytest.raises(VaultError, match="no master key '1'"):
        await rewrap_once(database, MasterKeys.generate("2"))
    assert (await opened(database, merchant, Vault(lambda: old), account.id)).holder == "Ana Souza"


async def test_a_merchants_accounts_are_sealed_anew_once(database: Database) -> None:
    merchant, ring = await a_merchant(database), MasterKeys.generate("1")
    vault = Vault(lambda: ring)
    first = await add(database, merchant, vault)
    second = await add(database, merchant, vault, iban=OTHER_IBAN)
    assert await re_encrypt(database, merchant, vault) == 2
    assert (await sealed_with(database, merchant), await key_versions(database, merchant)) == ({2}, [1, 2])
    assert await re_encrypt(database, merchant, vault) == 0
    assert await key_versions(database, merchant) == [1, 2]
    for each in (first, second):
        for any_vault in (vault, Vault(lambda: ring)):
            assert (await opened(database, merchant, any_vault, each.id)).holder == "Ana Souza"


async def test_an_account_that_was_added_meanwhile_is_sealed_anew_by_the_next_run(database: Database) -> None:
    merchant, ring = await a_merchant(database), MasterKeys.generate("1")
    vault = Vault(lambda: ring)
    await add(database, merchant, vault)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await vault.make_key(session, 2, LATER + timedelta(minutes=1))
    assert await sealed_with(database, merchant) == {1}
    assert await re_encrypt(database, merchant, vault) == 1
    assert (await sealed_with(database, merchant), await key_versions(database, merchant)) == ({2}, [1, 2])


async def test_a_merchant_that_nothing_was_sealed_for_gets_no_key(database: Database) -> None:
    merchant, ring = await a_merchant(database), MasterKeys.generate("1")
    assert await re_encrypt(database, merchant, Vault(lambda: ring)) == 0
    assert await key_versions(database, merchant) == []
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        assert await payee.current_accounts(session) == []
