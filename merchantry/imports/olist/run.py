"""The import: what is missing is set up, then every checkout goes in, one transaction each, several at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError
from merchantry.domain.plan import Plan
from merchantry.imports.olist import setup
from merchantry.imports.olist.files import Skipped
from merchantry.imports.olist.model import Sale, Source
from merchantry.imports.olist.report import Report, report_of
from merchantry.imports.olist.sale import ACTOR, Known, import_sale
from merchantry.services.vault import Vault
from tenancy.database import Database

WORKERS = 4

T = TypeVar("T")


class Stage(StrEnum):
    """What the import is at."""

    MERCHANTS = "merchants"
    PRODUCTS = "products"
    CHECKOUTS = "checkouts"


class Progress(Protocol):
    """Told what is done."""

    def begin(self, stage: Stage, total: int) -> None:
        """A stage of so many pieces begins."""

    def advance(self, stage: Stage, done: int) -> None:
        """So many more are done."""


@dataclass
class _Tally:
    """What became of the checkouts in this run."""

    imported: list[Sale] = field(default_factory=list)
    before: list[Sale] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


async def run(
    database: Database,
    vault: Vault,
    source: Source,
    plan: Plan,
    *,
    clock: Callable[[], datetime],
    progress: Progress,
) -> Report:
    """Import what is not in the database yet. May be interrupted at any moment and run again, or twice at once.

    A checkout that a service refuses is skipped and named. Raises InvalidInput before anything is changed where zone or
    plan of the database don't fit.
    """
    act = Act(ACTOR, clock(), clock())
    await setup.prepare_mall(database, plan, source.categories_sold, act)
    before = await setup.imported_before(database)
    tally = _Tally(before=[sale for sale in source.sales if sale.id in before])
    waiting = [sale for sale in source.sales if sale.id not in before]
    merchants, new_merchants = await _merchants(database, source, plan, act, progress)
    began = time.monotonic()
    known = await _known(database, vault, source, waiting, merchants, act, progress)
    await _import_all(database, waiting, known, tally, clock, progress)
    seconds = time.monotonic() - began
    return report_of(tally.imported, tally.before, [*source.skipped, *tally.skipped], new_merchants, seconds)


async def _merchants(
    database: Database, source: Source, plan: Plan, act: Act, progress: Progress
) -> tuple[dict[str, UUID], int]:
    sellers = source.seller_ids
    known = await setup.known_merchants(database, sellers)
    missing = [seller_id for seller_id in sellers if seller_id not in known]
    progress.begin(Stage.MERCHANTS, len(missing))
    made = await setup.provision(database, missing, plan, act, lambda done: progress.advance(Stage.MERCHANTS, done))
    return known | made, len(made)


async def _known(
    database: Database,
    vault: Vault,
    source: Source,
    waiting: list[Sale],
    merchants: dict[str, UUID],
    act: Act,
    progress: Progress,
) -> Known:
    """Products with stock, buyers, terms: everything that the waiting checkouts refer to."""
    buyers = await setup.buyers(database, [sale.buyer.subject for sale in waiting], act.at)
    terms = await setup.terms_by_merchant(database, merchants.values(), act.at)
    needs = setup.Needs(waiting)
    variants: dict[tuple[str, str], UUID] = {}
    progress.begin(Stage.PRODUCTS, sum(len(products) for products in needs.pieces.values()))

    async def stock(seller_id: str) -> None:
        async with database.write(ACTOR) as tx, tx.as_merchant(merchants[seller_id]) as session:
            variants.update(await setup.stock(session, seller_id, needs, source.categories, act))
        progress.advance(Stage.PRODUCTS, len(needs.pieces[seller_id]))

    await _over(list(needs.pieces), stock)
    return Known(merchants, variants, buyers, terms, vault)


async def _import_all(
    database: Database,
    waiting: list[Sale],
    known: Known,
    tally: _Tally,
    clock: Callable[[], datetime],
    progress: Progress,
) -> None:
    progress.begin(Stage.CHECKOUTS, len(waiting))

    async def work(sale: Sale) -> None:
        try:
            is_new = await database.run(ACTOR, lambda tx: import_sale(tx, sale, known, clock()))
            (tally.imported if is_new else tally.before).append(sale)
        except MarketError as error:
            tally.skipped.append(sale.skipped(str(error)))
        progress.advance(Stage.CHECKOUTS, 1)

    async def work_through(sales: list[Sale]) -> None:
        for sale in sales:
            await work(sale)

    await _over(_by_seller(waiting), work_through)


def _by_seller(sales: Iterable[Sale]) -> list[list[Sale]]:
    """Checkouts of one seller behind each other, in the order in which they were placed.

    So a seller's orders and entries are numbered in that order, workers rarely wait for each other, and a connection
    that has just learnt a merchant's tables (PostgreSQL caches them for each connection) uses them again.
    """
    groups: dict[str, list[Sale]] = {}
    for sale in sales:
        groups.setdefault(sale.orders[0].seller_id, []).append(sale)
    return list(groups.values())


async def _over(items: Collection[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do the items in their order, several at a time. The first error stops all."""
    waiting: Iterable[T] = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
