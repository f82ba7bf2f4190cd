"""Products as another system has them: made where they are missing, changed where they are there.

A product is known by its external reference, else by the SKUs and references of its variants. What is left out stays.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import Error
from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_into
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, MarketError, ReferenceTaken, SkuTaken
from merchantry.domain.event import EventKind
from merchantry.domain.price import check_prices
from merchantry.domain.stock import Stock, StockMode
from merchantry.domain.text import Path, check_text
from merchantry.domain.worded import Worded
from merchantry.languages.translation import Translation
from merchantry.services import audit, bulk, catalogue, outbox
from merchantry.services.bulk import Refused
from merchantry.services.variant import (
    MAX_SKU,
    MAX_TITLE,
    UNIQUE_VIOLATION,
    NewVariant,
    Variant,
    told_of,
    variants_by_product,
)
from merchantry.tables.merchant import price, product, variant
from tenancy.database import MerchantSession, sqlstate
from tenancy.writes import write

MAX_ROWS: Final = 500
MAX_REFERENCE: Final = 200
EVENT: Final = "product.upsert_many"


@dataclass(frozen=True, slots=True)
class VariantGiven:
    """A variant as another system has it; ``prices`` holds minor units by currency. What is None stays."""

    sku: str
    external_ref: str | None = None
    title: str | None = None
    prices: Mapping[str, int] | None = None
    on_hand: int | None = None


@dataclass(frozen=True, slots=True)
class ProductGiven:
    """A product as another system has it. What is None stays; ``is_published`` shows it or shows it no longer."""

    external_ref: str | None = None
    title: str | None = None
    description: str | None = None
    category: str | None = None
    image_urls: tuple[str, ...] | None = None
    variants: tuple[VariantGiven, ...] = ()
    is_published: bool | None = None
    translations: tuple[Translation, ...] = ()

    @property
    def skus(self) -> list[str]:
        """The SKUs of its variants."""
        return [each.sku for each in self.variants]

    @property
    def refs(self) -> list[str]:
        """The references of its variants."""
        return [each.external_ref for each in self.variants if each.external_ref is not None]


@dataclass(frozen=True, slots=True)
class Upserted:
    """Which product it is, and whether it is new."""

    product_id: UUID
    was_created: bool


async def upsert(session: MerchantSession, given: ProductGiven, new_id: UUID, act: Act) -> Upserted:
    """Make the product, with this id, or change it.

    Raises InvalidInput, UnknownCurrency, SkuTaken, ReferenceTaken, StockRefused, ProductIncomplete.
    """
    _check(given)
    locked = await _lock(session, [given])
    done, is_changed = await _upserted(session, given, new_id, act, locked)
    if is_changed:
        await catalogue.tell_changed(session, [done.product_id], act)
    return done


async def upsert_many(
    session: MerchantSession, rows: Sequence[ProductGiven | MarketError], batch_id: UUID, act: Act
) -> list[Upserted | Refused]:
    """:func:`upsert` for each row; a row that is refused changes nothing and hinders no other. An error instead of a
    product is a row that could not be read.

    Raises InvalidInput for too many rows.
    """
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidInput(reason=Worded("Give 1 to {most} rows.", most=MAX_ROWS), path=("rows",))
    locked = await _lock(session, [row for row in rows if isinstance(row, ProductGiven)])
    outcomes: list[Upserted | Refused] = []
    changed: dict[UUID, None] = {}
    for position, given in enumerate(rows):
        try:
            if isinstance(given, MarketError):
                raise given
            _check(given)
            async with session.savepoint():
                done, is_changed = await _upserted(session, given, uuid5(batch_id, str(position)), act, locked)
            outcomes.append(done)
            if is_changed:
                changed[done.product_id] = None
        except MarketError as error:
            outcomes.append(Refused.of(error))
    refused = {at: each for at, each in enumerate(outcomes) if isinstance(each, Refused)}
    upserted = [(at, each) for at, each in enumerate(outcomes) if isinstance(each, Upserted)]
    made = {each.product_id for _, each in upserted if each.was_created}
    await catalogue.tell_changed(session, changed.keys() - made, act)
    facts = [[at, str(each.product_id), each.was_created] for at, each in upserted]
    await bulk.record(session, act, EVENT, batch_id, rows=len(rows), refused=refused, done=facts)
    return outcomes


async def upserted_before(session: MerchantSession, batch_id: UUID) -> list[Upserted | Refused]:
    """What the rows of a batch came to when they were sent first."""
    refused, done = await bulk.recorded(session, EVENT, batch_id)
    found: dict[int, Upserted | Refused] = {**refused}
    found |= {at: Upserted(UUID(product_id), was_created) for at, product_id, was_created in done}
    return [found[at] for at in sorted(found)]


async def found_before(session: MerchantSession, given: ProductGiven, new_id: UUID) -> Upserted:
    """What one product came to when it was sent first with an id for a new one. Raises NotFound."""
    if await session.scalar(select(product.c.id).where(product.c.id == new_id)):
        return Upserted(new_id, was_created=True)
    return Upserted(await _product_of(session, given) or new_id, was_created=False)


def _check(given: ProductGiven) -> None:
    if given.external_ref is None and not given.variants:
        reason = "Name the product by its external reference, or by the SKU of one of its variants."
        raise InvalidInput(reason=reason, path=("externalRef",))
    if given.external_ref is not None:
        check_text(given.external_ref, MAX_REFERENCE, ("externalRef",))
    for name, each in (("sku", given.skus), ("externalRef", given.refs)):
        if len(set(each)) != len(each):
            raise InvalidInput(reason="Two variants of the product are the same one.", path=("variants", name))
    for position, one in enumerate(given.variants):
        path: Path = ("variants", position)
        check_text(one.sku, MAX_SKU, (*path, "sku"))
        if one.external_ref is not None:
            check_text(one.external_ref, MAX_REFERENCE, (*path, "externalRef"))
        if one.title is not None:
            check_text(one.title, MAX_TITLE, (*path, "title"), shortest=0)
        check_prices(one.prices or {}, (*path, "prices"))


_SKUS, _REFS = (func.any(bindparam(name, type_=ARRAY(Text))) for name in ("skus", "refs"))
_NAMED = or_(variant.c.sku == _SKUS, variant.c.external_ref == _REFS)
_PRODUCTS = (
    select(product.c.id)
    .where(
        or_(
            product.c.external_ref == func.any(bindparam("products", type_=ARRAY(Text))),
            product.c.id.in_(select(variant.c.product_id).where(_NAMED)),
        )
    )
    .order_by(product.c.id)
    .with_for_update()
)
_OF_PRODUCTS = variant.c.product_id == func.any(bindparam("product_ids", type_=ARRAY(Uuid)))
_VARIANTS = select(variant.c.id).where(_OF_PRODUCTS, _NAMED).order_by(variant.c.id).with_for_update()
_WHOSE = (
    select(product.c.id, product.c.external_ref)
    .where(product.c.id.in_(select(variant.c.product_id).where(_NAMED)))
    .order_by(product.c.id)
)


async def _lock(session: MerchantSession, rows: Sequence[ProductGiven]) -> Collection[UUID]:
    """What is there already, in the order of ids: of two who send the same products, one waits for the other. Returns
    the products.

    Variants only of the products that are held by then: of one made in between, the product would come after them.
    """
    names = {"skus": [sku for row in rows for sku in row.skus], "refs": [ref for row in rows for ref in row.refs]}
    products = [row.external_ref for row in rows if row.external_ref is not None]
    held = (await session.execute(_PRODUCTS, {**names, "products": products})).scalars().all()
    if held:
        await session.execute(_VARIANTS, {**names, "product_ids": held})
    return frozenset(held)


async def _product_of(session: MerchantSession, given: ProductGiven) -> UUID | None:
    """The product that is meant. Raises SkuTaken where its variants are another's, or several products'."""
    held: UUID | None = None
    if given.external_ref is not None:
        held = await session.scalar(select(product.c.id).where(product.c.external_ref == given.external_ref))
    names = {"skus": given.skus, "refs": given.refs}
    rows = (await session.execute(_WHOSE, names)).all() if given.variants else ()
    owners = {row.id for row in rows}
    if held is None and len(rows) == 1 and None in (given.external_ref, rows[0].external_ref):
        held = rows[0].id
    if owners - {held}:
        raise SkuTaken(sku=", ".join(given.skus), path=("variants",))
    return held


async def _upserted(
    session: MerchantSession, given: ProductGiven, new_id: UUID, act: Act, locked: Collection[UUID]
) -> tuple[Upserted, bool]:
    """What came of it, and whether a product that was there is another than before.

    Whoever made the same product at the same moment was faster: then it is there, and is changed."""
    for is_last in (False, True):
        try:
            async with session.savepoint():
                held = await _product_of(session, given)
                if held is not None and held not in locked:  # one that this transaction made, or that just came
                    await _lock(session, [given])
                if held is None:
                    await _create(session, given, new_id, act)
                is_changed = held is not None and await _change(session, held, given, act)
                await _publish(session, held or new_id, given, act)
                return Upserted(held or new_id, held is None), is_changed
        except SkuTaken:
            if is_last:
                raise
        except DBAPIError as error:
            taken = _taken(error, given)
            if taken is None:
                raise
            if is_last:
                raise taken from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _taken(error: DBAPIError, given: ProductGiven) -> MarketError | None:
    """What a row of another's stands in the way of."""
    if sqlstate(error) != UNIQUE_VIOLATION:
        return None
    constraint = error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
    if constraint == "product_external_ref":
        return ReferenceTaken(external_ref=given.external_ref or "", path=("externalRef",))
    if constraint == "variant_external_ref":
        return ReferenceTaken(external_ref=", ".join(given.refs), path=("variants",))
    return SkuTaken(sku=", ".join(given.skus), path=("variants",))


async def _create(session: MerchantSession, given: ProductGiven, product_id: UUID, act: Act) -> None:
    for name in ("title", "category"):
        if getattr(given, name) is None:
            raise InvalidInput(
                reason=Worded("There is no such product yet; a new one needs its {name}.", name=name), path=(name,)
            )
    await catalogue.create_product(
        session,
        title=given.title or "",
        description=given.description or "",
        category=given.category or "",
        image_urls=given.image_urls or (),
        variants=[_new(each) for each in given.variants],
        act=act,
        product_id=product_id,
        external_ref=given.external_ref,
        translations=given.translations,
    )


def _new(given: VariantGiven) -> NewVariant:
    return NewVariant(given.sku, given.title or "", given.prices or {}, given.on_hand or 0, given.external_ref)


async def _change(session: MerchantSession, product_id: UUID, given: ProductGiven, act: Act) -> bool:
    """Whether anything but stock is another than before."""
    held = (await variants_by_product(session, [product_id])).get(product_id, [])
    by_sku = {each.sku: each for each in held}
    by_ref = {each.external_ref: each for each in held if each.external_ref is not None}
    added: list[NewVariant] = []
    is_changed = False
    for position, each in enumerate(given.variants):
        known = by_ref.get(each.external_ref or "") or by_sku.get(each.sku)
        if known is None:
            added.append(_new(each))
        else:
            is_changed |= await _change_variant(session, known, each, act, ("variants", position))
    return is_changed | await catalogue.update_product(
        session,
        product_id,
        act=act,
        title=given.title,
        description=given.description,
        category=given.category,
        image_urls=given.image_urls,
        new_variants=added,
        external_ref=given.external_ref,
        is_told=False,
        translations=given.translations,
    )


async def _change_variant(session: MerchantSession, held: Variant, given: VariantGiven, act: Act, path: Path) -> bool:
    """Whether anything but its stock is another than before; another stock is told at once."""
    values: dict[str, Any] = {"sku": given.sku, "title": given.title, "external_ref": given.external_ref}
    if given.on_hand is not None:
        try:
            stock = Stock(held.id, held.on_hand, held.reserved).after(StockMode.SET, given.on_hand)
        except MarketError as error:
            error.path = (*path, "onHand")
            raise
        values["on_hand"] = stock.on_hand
    changed = {name: value for name, value in values.items() if value is not None and value != getattr(held, name)}
    if changed:
        await session.execute(update(variant).where(variant.c.id == held.id).values(changed))
    prices = {currency: minor for currency, minor in (given.prices or {}).items() if held.prices.get(currency) != minor}
    if prices:
        rows = [{"variant_id": held.id, "currency": name, "amount_minor": minor} for name, minor in prices.items()]
        statement = upsert_into(price).values(rows)
        changes = {"amount_minor": statement.excluded.amount_minor}
        await session.execute(statement.on_conflict_do_update(index_elements=["variant_id", "currency"], set_=changes))
    if changed or prices:
        before = {**{name: getattr(held, name) for name in changed}, "prices": dict(held.prices)}
        after = {**changed, "prices": {**held.prices, **prices}}
        event = audit.event(session, session.merchant_id, act, "variant.update", str(held.id), before, after)
        facts = told_of(held.id, held.product_id, changed.get("on_hand", held.on_hand))
        told = outbox.published(session, EventKind.STOCK_ADJUSTED, facts, act) if "on_hand" in changed else []
        await write(session, event, *told)
    return bool(prices or changed.keys() - {"on_hand"})


async def _publish(session: MerchantSession, product_id: UUID, given: ProductGiven, act: Act) -> None:
    if given.is_published is True:
        await catalogue.publish(session, product_id, act)
    elif given.is_published is False:
        await catalogue.unpublish(session, product_id, act)
