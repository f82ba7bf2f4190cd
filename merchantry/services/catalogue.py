"""A merchant's products, their prices, and whether the mall shows them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, ProductIncomplete
from merchantry.domain.event import EventKind
from merchantry.domain.price import check_prices
from merchantry.domain.text import check_text, check_web_address
from merchantry.domain.worded import Worded
from merchantry.languages import translation
from merchantry.languages.translation import Translation, Translations
from merchantry.services import audit, listing_index, outbox
from merchantry.services.category import require_category
from merchantry.services.variant import (
    MAX_TITLE,
    NewVariant,
    Variant,
    add_variants,
    check_variants,
    variants_by_product,
)
from merchantry.tables import merchant as tables
from tenancy.database import MerchantSession
from tenancy.writes import New, write

MAX_DESCRIPTION = 20_000
MAX_IMAGES = 20
TRANSLATED = {"title": MAX_TITLE, "description": MAX_DESCRIPTION}
"""Texts that a product has in several languages, with their greatest lengths."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its variants in their order."""

    id: UUID
    title: str
    description: str
    category: str
    status: str
    image_urls: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    variants: tuple[Variant, ...]
    external_ref: str | None = None
    translations: Translations = field(default_factory=dict)

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.created_at, self.id


async def create_product(
    session: MerchantSession,
    *,
    title: str,
    description: str,
    category: str,
    image_urls: Sequence[str],
    variants: Sequence[NewVariant],
    act: Act,
    product_id: UUID | None = None,
    external_ref: str | None = None,
    translations: Sequence[Translation] = (),
) -> UUID:
    """Add a draft with its variants, prices and stock; its id is ``product_id`` where the caller chose one.

    Raises InvalidInput, UnknownCurrency and SkuTaken with the path of the input.
    """
    texts = {"title": title, "description": description, "category": category, "image_urls": list(image_urls)}
    await _check_texts(session, texts)
    translation.check(translations, TRANSLATED)
    check_variants(variants, held=0)
    product_id = product_id or uuid4()
    row = {"id": product_id, "status": "draft", **texts, "created_at": act.at, "updated_at": act.at}
    kept = {"external_ref": external_ref, "translations": translation.merged({}, translations)}
    row.update(kept)
    after = {**texts, **kept, "variants": [variant.facts() for variant in variants]}
    event = audit.event(session, session.merchant_id, act, "product.create", str(product_id), after=after)
    told = outbox.published(session, EventKind.PRODUCT_CREATED, {"product": product_id}, act)
    await write(session, New(tables.product, row), event, *told)
    await add_variants(session, product_id, variants, held=0)
    return product_id


async def update_product(
    session: MerchantSession,
    product_id: UUID,
    *,
    act: Act,
    title: str | None = None,
    description: str | None = None,
    category: str | None = None,
    image_urls: Sequence[str] | None = None,
    new_variants: Sequence[NewVariant] = (),
    external_ref: str | None = None,
    translations: Sequence[Translation] = (),
    is_told: bool = True,
) -> bool:
    """Change what is given and add variants; the mall shows it at once where the product is published.

    A language of the translations is replaced as a whole. Returns whether anything is another than before. That is
    told as an event, unless the caller does so at its end, with whatever else it changes of the product.

    Raises NotFound, and what :func:`create_product` raises.
    """
    images = None if image_urls is None else list(image_urls)
    given = {"title": title, "description": description, "category": category, "image_urls": images}
    given["external_ref"] = external_ref
    texts: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    await _check_texts(session, texts)
    translation.check(translations, TRANSLATED)
    held = await _lock(session, product_id)
    if translations:
        texts["translations"] = translation.merged(held.translations, translations)
    count = await session.scalar(select(func.count()).where(tables.variant.c.product_id == product_id))
    check_variants(new_variants, held=count, name="new_variants")
    change = update(tables.product).where(tables.product.c.id == product_id)
    await session.execute(change.values(**texts, updated_at=act.at))
    await add_variants(session, product_id, new_variants, held=count, name="new_variants")
    before = {name: getattr(held, name) for name in texts}
    after = {**texts, "new_variants": [variant.facts() for variant in new_variants]}
    await audit.record(session, session.merchant_id, act, "product.update", str(product_id), before, after)
    if held.status == "published":
        await _show(session, product_id, act)
    is_changed = bool(new_variants) or before != texts
    if is_changed and is_told:
        await tell_changed(session, [product_id], act)
    return is_changed


async def tell_all_changed(session: MerchantSession, act: Act) -> None:
    """Tell that every product may be another one than before."""
    ids = (await session.execute(select(tables.product.c.id).order_by(tables.product.c.id))).scalars().all()
    await tell_changed(session, ids, act)


async def tell_changed(session: MerchantSession, product_ids: Iterable[UUID], act: Act) -> None:
    """Tell that products are others than before this transaction, each named once."""
    facts = [{"product": product_id} for product_id in product_ids]
    await outbox.publish_many(session, EventKind.PRODUCT_CHANGED, facts, act)


async def publish(session: MerchantSession, product_id: UUID, act: Act) -> None:
    """Show the product in the mall, in this transaction. Raises NotFound, and ProductIncomplete without a price."""
    held = await _lock(session, product_id)
    await _set_status(session, held, "published", act)
    await _show(session, product_id, act)


async def unpublish(session: MerchantSession, product_id: UUID, act: Act) -> None:
    """Show the product no longer; it is a draft again. Raises NotFound."""
    held = await _lock(session, product_id)
    await _set_status(session, held, "draft", act)
    await listing_index.remove(session, product_id)


async def relist(session: MerchantSession, act: Act) -> int:
    """Show all that is published as it is now, where the mall's copy may be another one; returns how many."""
    published = select(tables.product.c.id).where(tables.product.c.status == "published").order_by(tables.product.c.id)
    ids = (await session.execute(published)).scalars().all()
    for product_id in ids:
        await _lock(session, product_id)
        await _show(session, product_id, act)
    return len(ids)


async def set_price(session: MerchantSession, variant_id: UUID, currency: str, amount_minor: int, act: Act) -> None:
    """Set a variant's price in one currency. Raises NotFound, UnknownCurrency, InvalidInput."""
    check_prices({currency: amount_minor}, ("price",))
    product_id = await _product_of(session, variant_id)
    held = await _lock(session, product_id)
    key = (tables.price.c.variant_id == variant_id) & (tables.price.c.currency == currency)
    before = await session.scalar(select(tables.price.c.amount_minor).where(key))
    statement = upsert(tables.price).values(variant_id=variant_id, currency=currency, amount_minor=amount_minor)
    changed = {"amount_minor": statement.excluded.amount_minor}
    await session.execute(statement.on_conflict_do_update(index_elements=["variant_id", "currency"], set_=changed))
    facts = {"currency": currency, "amount_minor": before}, {"currency": currency, "amount_minor": amount_minor}
    await audit.record(session, session.merchant_id, act, "price.set", str(variant_id), *facts)
    if before != amount_minor:
        await tell_changed(session, [product_id], act)
    if held.status == "published":
        await _show(session, product_id, act)


async def products(
    session: MerchantSession, first: int, after: tuple[datetime, UUID] | None = None, *, status: str | None = None
) -> list[Product]:
    """The merchant's products, newest first, up to ``first + 1``; two statements however many there are."""
    table = tables.product.c
    statement = select(tables.product).order_by(table.created_at.desc(), table.id.desc()).limit(first + 1)
    if status is not None:
        statement = statement.where(table.status == status)
    if after is not None:
        statement = statement.where(tuple_(table.created_at, table.id) < after)
    return await _with_variants(session, (await session.execute(statement)).all())


async def product(session: MerchantSession, product_id: UUID) -> Product:
    """One product. Raises NotFound."""
    statement = select(tables.product).where(tables.product.c.id == product_id)
    found = await _with_variants(session, (await session.execute(statement)).all())
    if not found:
        raise NotFound(what="product", path=("product_id",))
    return found[0]


async def products_of_ids(session: MerchantSession, product_ids: Collection[UUID]) -> list[Product]:
    """Those of the merchant's products that have one of these ids; at most two statements."""
    if not product_ids:
        return []
    statement = select(tables.product).where(tables.product.c.id == func.any(list(product_ids)))
    return await _with_variants(session, (await session.execute(statement)).all())


async def _check_texts(session: MerchantSession, texts: Mapping[str, Any]) -> None:
    if "title" in texts:
        check_text(texts["title"], MAX_TITLE, ("title",))
    if "description" in texts:
        check_text(texts["description"], MAX_DESCRIPTION, ("description",), shortest=0)
    images = texts.get("image_urls", ())
    if len(images) > MAX_IMAGES:
        raise InvalidInput(reason=Worded("Give at most {most} images.", most=MAX_IMAGES), path=("image_urls",))
    for position, address in enumerate(images):
        check_web_address(address, ("image_urls", position))
    if "category" in texts:
        await require_category(session, texts["category"], ("category",))


async def _product_of(session: MerchantSession, variant_id: UUID) -> UUID:
    statement = select(tables.variant.c.product_id).where(tables.variant.c.id == variant_id)
    found: UUID | None = await session.scalar(statement)
    if found is None:
        raise NotFound(what="variant", path=("variant_id",))
    return found


async def _lock(session: MerchantSession, product_id: UUID) -> Row[Any]:
    """Who changes what the mall shows of a product holds its row, so that the listing is what was changed last."""
    statement = select(tables.product).where(tables.product.c.id == product_id).with_for_update()
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(what="product", path=("product_id",))
    return row


async def _set_status(session: MerchantSession, held: Row[Any], status: str, act: Act) -> None:
    if held.status == status:
        return
    change = update(tables.product).where(tables.product.c.id == held.id)
    await session.execute(change.values(status=status, updated_at=act.at))
    verb = "publish" if status == "published" else "unpublish"
    before, after = {"status": held.status}, {"status": status}
    await write(
        session,
        audit.event(session, session.merchant_id, act, f"product.{verb}", str(held.id), before, after),
        *outbox.published(session, EventKind(f"product.{verb}ed"), {"product": held.id}, act),
    )


async def _show(session: MerchantSession, product_id: UUID, act: Act) -> None:
    await listing_index.lock_variants(session, product_id)
    shown = await product(session, product_id)
    priced = [variant for variant in shown.variants if variant.prices]
    if not priced:
        raise ProductIncomplete(missing=("a variant with a price",))
    names = ("id", "title", "description", "category", "image_urls", "translations")
    texts = {name: getattr(shown, name) for name in names}
    await listing_index.put(session, texts, priced, act)


async def _with_variants(session: MerchantSession, rows: Sequence[Row[Any]]) -> list[Product]:
    if not rows:
        return []
    found = await variants_by_product(session, [row.id for row in rows])
    return [
        Product(
            id=row.id,
            title=row.title,
            description=row.description,
            category=row.category,
            status=row.status,
            image_urls=tuple(row.image_urls),
            created_at=row.created_at,
            updated_at=row.updated_at,
            variants=tuple(found.get(row.id, ())),
            external_ref=row.external_ref,
            translations=row.translations,
        )
        for row in rows
    ]
