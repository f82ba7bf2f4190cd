"""Merchants: provisioned with their profiles, suspended, listed."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb
from sqlalchemy import RowMapping, Select, func, select, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, SlugTaken
from merchantry.domain.event import EventKind
from merchantry.domain.permission import MerchantRole
from merchantry.domain.price import check_currency, check_prices
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import Cycle
from merchantry.domain.text import check_text
from merchantry.domain.worded import Worded
from merchantry.languages.language import Language
from merchantry.services import audit, outbox
from merchantry.services import schedule as schedules
from merchantry.tables.platform import merchant_profile
from merchantry.tables.settlement import settlement_schedule, settlement_terms
from tenancy.database import PlatformSession, PublicSession, Session
from tenancy.directory import announce
from tenancy.principals import Merchant
from tenancy.provisioning import Blueprint, MerchantExists, NewMerchant, provision
from tenancy.tables import membership, merchant
from tenancy.writes import Changed, write

FIRST_NUMBER = 100_001
MAX_NAME = 200
MAX_DESCRIPTION = 5_000
MAX_DAYS = 365
SETTABLE = ("active", "suspended")
FIRST_TERMS = {"reserve_bps": 0, "reserve_days": 0, "objection_days": 14}
"""What a new merchant's payouts are subject to: no minimum, no reserve, two weeks to object to a statement."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ShippingOption:
    """A flat rate per order; ``prices`` holds minor units by currency."""

    code: str
    title: str
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a merchant is to the mall. ``number`` is unique in the mall and part of the merchant's order numbers."""

    merchant_id: UUID
    number: int
    legal_name: str
    display_name: str
    category: str
    time_zone: str
    currency: str
    settlement_cycle: Cycle
    seller_of_record: SellerOfRecord
    commission_plan: str
    shipping_options: tuple[ShippingOption, ...]
    complete_days_after_delivery: int
    complete_days_after_shipping: int
    accepts_cash: bool
    document_language: Language
    description: str


@dataclass(frozen=True, slots=True)
class NewShop:
    """A merchant to be. ``owner`` is an account that becomes its first member of staff."""

    slug: str
    legal_name: str
    display_name: str
    category: str
    time_zone: str
    currency: str
    commission_plan: str = "standard"
    settlement_cycle: str = Cycle.WEEKLY
    seller_of_record: str = SellerOfRecord.AGENT
    shipping_options: Sequence[ShippingOption] = ()
    complete_days_after_delivery: int = 7
    complete_days_after_shipping: int = 30
    accepts_cash: bool = False
    owner: UUID | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class ListedMerchant:
    """A merchant with its profile; ``since`` is when it came to the mall."""

    merchant: Merchant
    profile: Profile
    since: datetime

    @property
    def cursor(self) -> tuple[str]:
        """What ``after`` of the next page is."""
        return (self.merchant.slug,)


def create(owner_url: str, blueprint: Blueprint, shops: Sequence[NewShop], act: Act) -> list[Merchant]:
    """Provision merchants with profiles, owners and audit in one transaction, as the owner: all or none.

    Any number at once is cheaper than one by one. Raises SlugTaken, and InvalidInput whose path names
    the field.
    """
    with psycopg.connect(owner_url) as connection:
        return create_on(connection, blueprint, shops, act)


def create_on(
    connection: psycopg.Connection[tuple[object, ...]], blueprint: Blueprint, shops: Sequence[NewShop], act: Act
) -> list[Merchant]:
    """:func:`create` inside the caller's transaction."""
    for shop in shops:
        check(shop)
    # Orders the provisioners, so that numbers are given once.
    connection.execute("SELECT 1 FROM platform.mall WHERE id = 1 FOR UPDATE")
    try:
        provision(connection, blueprint, [NewMerchant(shop.id, shop.slug, act.at) for shop in shops])
    except MerchantExists as error:
        raise SlugTaken(slug=str(error), path=("slug",)) from error
    row = connection.execute("SELECT coalesce(max(number) + 1, %s) FROM platform.merchant_profile", [FIRST_NUMBER])
    number = int(str((row.fetchone() or (FIRST_NUMBER,))[0]))
    for offset, shop in enumerate(shops):
        _describe(connection, shop, number + offset, act)
    return [Merchant(shop.id, shop.slug, "active") for shop in shops]


async def create_async(owner_url: str, blueprint: Blueprint, shops: Sequence[NewShop], act: Act) -> list[Merchant]:
    """:func:`create` without blocking the loop."""
    return await asyncio.to_thread(create, owner_url, blueprint, shops, act)


def check(shop: NewShop) -> None:
    """Refuse a shop whose fields can't be right. Raises InvalidInput or UnknownCurrency with the field's path."""
    if not _SLUG.fullmatch(shop.slug):
        _refuse("slug", "A slug has 1 to 63 of a-z, 0-9 and -, and neither starts nor ends with -.")
    for name in ("legal_name", "display_name", "category", "commission_plan"):
        check_text(getattr(shop, name), MAX_NAME, (name,))
    zone_of(shop.time_zone, path=("time_zone",))
    check_currency(shop.currency, ("currency",))
    if shop.settlement_cycle not in tuple(Cycle):
        _refuse("settlement_cycle", "Choose one of the cycles {listed}.", listed=", ".join(Cycle))
    if shop.seller_of_record not in tuple(SellerOfRecord):
        _refuse("seller_of_record", "Choose one of {listed}.", listed=", ".join(SellerOfRecord))
    _check_cash(shop.seller_of_record, accepts_cash=shop.accepts_cash)
    for name in ("complete_days_after_delivery", "complete_days_after_shipping"):
        if not 0 <= getattr(shop, name) <= MAX_DAYS:
            _refuse(name, "Give a number of days from 0 to {most}.", most=MAX_DAYS)
    _check_shipping(shop.shipping_options)


def zone_of(name: str, path: tuple[str | int, ...] = ()) -> ZoneInfo:
    """The IANA time zone of this name. Raises InvalidInput."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput(reason="Give a time zone of the IANA list, such as Europe/Lisbon.", path=path) from error


def _check_shipping(options: Sequence[ShippingOption]) -> None:
    if len({option.code for option in options}) != len(options):
        _refuse("shipping_options", "Every shipping option needs a code of its own.")
    for position, option in enumerate(options):
        path = ("shipping_options", position)
        check_text(option.code, MAX_NAME, (*path, "code"))
        check_text(option.title, MAX_NAME, (*path, "title"))
        check_prices(option.prices, (*path, "prices"))


def _check_cash(seller_of_record: str, *, accepts_cash: bool) -> None:
    """What the platform sells is paid to the platform."""
    if accepts_cash and seller_of_record == SellerOfRecord.PRINCIPAL:
        _refuse("accepts_cash", "A merchant takes no cash for what the platform sells; let it sell as an agent.")


def _refuse(name: str, template: str, **facts: object) -> None:
    raise InvalidInput(reason=Worded(template, **facts), path=(name,))


def _describe(connection: psycopg.Connection[tuple[object, ...]], shop: NewShop, number: int, act: Act) -> None:
    """The rows beside the new schema: profile, owner, audit."""
    facts: dict[str, Any] = {
        "number": number,
        "legal_name": shop.legal_name,
        "display_name": shop.display_name,
        "category": shop.category,
        "time_zone": shop.time_zone,
        "currency": shop.currency,
        "settlement_cycle": str(shop.settlement_cycle),
        "seller_of_record": str(shop.seller_of_record),
        "commission_plan": shop.commission_plan,
        "shipping_options": [_option_json(option) for option in shop.shipping_options],
        "complete_days_after_delivery": shop.complete_days_after_delivery,
        "complete_days_after_shipping": shop.complete_days_after_shipping,
        "accepts_cash": shop.accepts_cash,
    }
    options = {"merchant_id": shop.id, "shipping_options": Jsonb(facts["shipping_options"])}
    _insert(connection, merchant_profile.name, {**facts, **options})
    schedule = schedules.first_of(shop.time_zone, shop.settlement_cycle)
    _insert(connection, settlement_schedule.name, schedules.row_of(shop.id, schedule, act))
    _insert(connection, settlement_terms.name, {**FIRST_TERMS, "merchant_id": shop.id, "minimum_minor": Jsonb({})})
    after = {"slug": shop.slug, **facts}
    if shop.owner:
        row = {"account_id": shop.owner, "merchant_id": shop.id, "role": MerchantRole.OWNER.value, "created_at": act.at}
        try:
            _insert(connection, membership.name, row)
        except errors.ForeignKeyViolation as error:
            raise InvalidInput(reason="There is no such account; check the owner's id.", path=("owner",)) from error
        after["owner"] = str(shop.owner)
    audit.record_as_owner(connection, shop.id, act, "merchant.create", str(shop.id), None, after)
    facts = {"merchant": shop.id, "slug": shop.slug}
    outbox.publish_as_owner(connection, shop.id, EventKind.MERCHANT_CREATED, facts, act)


def _insert(connection: psycopg.Connection[tuple[object, ...]], table: str, row: Mapping[str, Any]) -> None:
    statement = sql.SQL("INSERT INTO platform.{} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    connection.execute(statement, row)


def _option_json(option: ShippingOption) -> dict[str, Any]:
    return {"code": option.code, "title": option.title, "prices": dict(option.prices)}


async def set_status(session: PlatformSession, slug: str, status: str, act: Act) -> Merchant:
    """Suspend a merchant, or let it act again. Every process learns of it at commit.

    Raises NotFound, and InvalidInput for another status than active and suspended, or for a merchant that is closing.
    """
    if status not in SETTABLE:
        raise InvalidInput(reason=Worded("Choose one of {listed}.", listed=", ".join(SETTABLE)), path=("status",))
    table = merchant.c
    locked = select(table.id, table.status).where(table.slug == slug).with_for_update()
    held = (await session.execute(locked)).one_or_none()
    if held is None:
        raise NotFound(what="merchant", path=("slug",))
    if held.status not in SETTABLE:
        raise InvalidInput(
            reason=Worded("This merchant is {status}, which is not undone.", status=held.status), path=("status",)
        )
    if held.status != status:
        await session.execute(update(merchant).where(table.id == held.id).values(status=status))
        before, after = {"status": held.status}, {"status": status}
        kind = EventKind.MERCHANT_SUSPENDED if status == "suspended" else EventKind.MERCHANT_RESUMED
        await write(
            session,
            audit.event(session, held.id, act, "merchant.set_status", str(held.id), before, after),
            *outbox.published(session, kind, {"merchant": held.id, "slug": slug}, act, merchant_id=held.id),
        )
        await announce(session, held.id)
    return Merchant(held.id, slug, status)


async def change(
    session: PlatformSession,
    slug: str,
    act: Act,
    *,
    accepts_cash: bool | None = None,
    seller_of_record: SellerOfRecord | None = None,
) -> UUID:
    """Change what is given of a merchant's terms of sale; returns its id.

    Whether it takes cash on delivery holds for checkouts that are paid from now on, who sells for orders that are
    placed from now on. Raises NotFound, and InvalidInput where the two don't go together.
    """
    table = merchant_profile.c
    locked = select(merchant.c.id, table.accepts_cash, table.seller_of_record).join(
        merchant_profile, table.merchant_id == merchant.c.id
    )
    held = (await session.execute(locked.where(merchant.c.slug == slug).with_for_update())).one_or_none()
    if held is None:
        raise NotFound(what="merchant", path=("slug",))
    merchant_id: UUID = held.id
    given = {"accepts_cash": accepts_cash, "seller_of_record": seller_of_record and seller_of_record.value}
    after = {name: value for name, value in given.items() if value is not None and value != getattr(held, name)}
    if after:
        _check_cash(
            after.get("seller_of_record", held.seller_of_record),
            accepts_cash=after.get("accepts_cash", held.accepts_cash),
        )
        await write(session, Changed(merchant_profile, {"merchant_id": merchant_id}, after))
        before = {name: getattr(held, name) for name in after}
        await audit.record(session, merchant_id, act, "merchant.update", str(merchant_id), before, after)
    return merchant_id


async def set_document_language(session: PlatformSession, merchant_id: UUID, language: Language, act: Act) -> None:
    """Write the statements, invoices and credit notes that are issued from now on in this language; others stay."""
    table = merchant_profile.c
    mine = table.merchant_id == merchant_id
    held = await session.scalar(select(table.document_language).where(mine).with_for_update())
    if held != language.value:
        after = {"document_language": language.value}
        await write(session, Changed(merchant_profile, {"merchant_id": merchant_id}, after))
        before = {"document_language": held}
        await audit.record(session, merchant_id, act, "merchant.set_document_language", str(merchant_id), before, after)


async def describe(session: PlatformSession, merchant_id: UUID, description: str, act: Act) -> None:
    """Say on the shop's page what it is; an empty text says nothing. Raises InvalidInput."""
    check_text(description, MAX_DESCRIPTION, ("description",), shortest=0)
    table = merchant_profile.c
    mine = table.merchant_id == merchant_id
    held = await session.scalar(select(table.description).where(mine).with_for_update())
    if held != description:
        after = {"description": description}
        await write(session, Changed(merchant_profile, {"merchant_id": merchant_id}, after))
        before = {"description": held}
        await audit.record(session, merchant_id, act, "merchant.describe", str(merchant_id), before, after)


async def list_merchants(
    session: PlatformSession, first: int, after: tuple[str] | None = None, *, status: str | None = None
) -> list[ListedMerchant]:
    """Merchants by slug, up to ``first + 1``."""
    table = merchant.c
    statement = _listed().order_by(table.slug).limit(first + 1)
    if status is not None:
        statement = statement.where(table.status == status)
    if after is not None:
        statement = statement.where(table.slug > after[0])
    rows = (await session.execute(statement)).mappings()
    return [_listed_from(row) for row in rows]


async def by_ids(session: PlatformSession | PublicSession, merchant_ids: Collection[UUID]) -> list[ListedMerchant]:
    """These merchants, by slug."""
    statement = _listed().where(merchant.c.id == func.any(list(merchant_ids))).order_by(merchant.c.slug)
    return [_listed_from(row) for row in (await session.execute(statement)).mappings()]


async def by_slug(session: PlatformSession, slug: str) -> ListedMerchant | None:
    """The merchant of this slug, whatever its status."""
    row = (await session.execute(_listed().where(merchant.c.slug == slug))).mappings().one_or_none()
    return _listed_from(row) if row else None


async def shop(session: PublicSession, slug: str) -> ListedMerchant | None:
    """An active merchant's public face; None where there is none, or not at present."""
    statement = _listed().where(merchant.c.slug == slug, merchant.c.status == "active")
    row = (await session.execute(statement)).mappings().one_or_none()
    return _listed_from(row) if row else None


async def profile_of(session: Session, merchant_id: UUID) -> Profile:
    """The profile of a merchant; a merchant's own session finds only its own. Raises NotFound."""
    found = await profiles_of(session, [merchant_id])
    if merchant_id not in found:
        raise NotFound(what="merchant")
    return found[merchant_id]


async def profiles_of(session: Session, merchant_ids: Collection[UUID]) -> dict[UUID, Profile]:
    """The profiles of several merchants in one statement; those that are not found are left out."""
    statement = select(merchant_profile).where(merchant_profile.c.merchant_id == func.any(list(merchant_ids)))
    rows = (await session.execute(statement)).mappings()
    return {row["merchant_id"]: profile_from(row) for row in rows}


def profile_from(row: RowMapping) -> Profile:
    """A profile from a row that has all its columns."""
    values = {column.name: row[column.name] for column in merchant_profile.c}
    options = tuple(ShippingOption(**option) for option in values.pop("shipping_options"))
    typed = {
        "settlement_cycle": Cycle(values["settlement_cycle"]),
        "seller_of_record": SellerOfRecord(values["seller_of_record"]),
        "document_language": Language(values["document_language"]),
    }
    return Profile(**{**values, **typed}, shipping_options=options)


def _listed() -> Select[Any]:
    columns = (merchant.c.id, merchant.c.slug, merchant.c.status, merchant.c.created_at, merchant_profile)
    return select(*columns).join(merchant_profile, merchant_profile.c.merchant_id == merchant.c.id)


def _listed_from(row: RowMapping) -> ListedMerchant:
    return ListedMerchant(Merchant(row["id"], row["slug"], row["status"]), profile_from(row), row["created_at"])
