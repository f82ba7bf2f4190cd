"""Who asks: accounts with tokens of the development issuer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from benchmarks.installation import Installation, an_act
from merchantry.domain.permission import MerchantRole
from merchantry.services import staff
from tenancy.database import Database
from tenancy.directory import account_of
from tenancy.principals import Merchant
from tenancy.tokens import DevelopmentIssuer

LIFETIME_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Person:
    """An account and a token for it."""

    account_id: UUID
    token: str


async def people(installation: Installation, names: Sequence[str]) -> list[Person]:
    """People of these names."""
    issuer = DevelopmentIssuer.load_or_create(installation.home / "keys")
    database = Database(installation.logins, pool_size=1)
    try:
        async with database.write("benchmark") as tx, tx.as_platform() as session:
            now = datetime.now(UTC)
            accounts = [await account_of(session, issuer.ISSUER, name, None, at=now) for name in names]
    finally:
        await database.close()
    return [
        Person(account_id, issuer.issue(name, None, LIFETIME_SECONDS))
        for account_id, name in zip(accounts, names, strict=True)
    ]


async def hired(installation: Installation, name: str, merchant: Merchant, role: MerchantRole) -> Person:
    """Somebody of a merchant's staff."""
    (person,) = await people(installation, [name])
    database = Database(installation.logins, pool_size=1)
    try:
        async with database.write("benchmark") as tx, tx.as_platform() as session:
            await staff.grant_role(session, person.account_id, merchant.id, role, an_act())
    finally:
        await database.close()
    return person
