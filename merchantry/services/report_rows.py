"""A report's rows, in constant memory: pages of one short read-only transaction each, merchant after merchant.

Rows of several merchants come in the order of their slugs. They are read as each merchant, in its own role, not by the
analyst's login: what that may read stays what the rollups need. Sums over several merchants are read across
(``services.report``).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from merchantry.domain.errors import InvalidInput
from merchantry.domain.report_forms import STATEMENT_KINDS
from merchantry.domain.report_kind import ReportKind
from merchantry.domain.report_request import ReportRequest
from merchantry.domain.settlement import local_day
from merchantry.domain.worded import Worded
from merchantry.services import report
from merchantry.services.report import Dimension
from merchantry.services.report_query import QUERIES, Key
from merchantry.tables.platform import mall
from tenancy.database import Database, MerchantSession, PlatformSession, Transaction
from tenancy.tables import merchant

Value: TypeAlias = "str | int | date | datetime | None"
Row: TypeAlias = tuple[Value, ...]
"""Values of the chosen columns in their order; amounts in minor units, instants in the platform's zone."""

PAGE: Final = 500
"""Rows that one transaction reads at most."""

VISITS: Final = 50
"""Merchants that one transaction visits at most."""

GROUPED: Final = {ReportKind.COMMISSION: report.commission_by, ReportKind.SETTLEMENT: report.settlement_by}
DAY_OF: Final = {
    ReportKind.SALES: "captured_at",
    ReportKind.SALE_LINES: "captured_at",
    ReportKind.REFUNDS: "decided_at",
    ReportKind.PAYOUTS: "planned_at",
}


@dataclass(frozen=True, slots=True)
class Seller:
    """A merchant whose rows are read."""

    id: UUID
    slug: str


@dataclass(frozen=True, slots=True)
class ReportRows:
    """Rows that are still to be read, as of a moment at which reading begins.

    ``is_one_snapshot``: all of them say what was true at one moment. Else each page does; what is booked meanwhile may
    be among the later ones, and no row comes twice.
    """

    request: ReportRequest
    as_of: datetime
    zone: ZoneInfo
    sellers: tuple[Seller, ...]
    is_one_snapshot: bool
    rows: AsyncIterator[Row]


async def open_report(database: Database, actor: str, request: ReportRequest, merchant_id: UUID | None) -> ReportRows:
    """The rows of one merchant, or of all that the request names where ``merchant_id`` is None.

    Raises InvalidInput where it names merchants that there are not, or, for one merchant, any.
    """
    if merchant_id is not None and request.choice.merchants is not None:
        raise InvalidInput(reason="This report is about one merchant already; name none.", path=("merchants",))
    async with database.read(actor) as tx, tx.as_platform() as session:
        as_of, zone = await _moment(session)
        sellers = await _sellers(session, request.choice.merchants, merchant_id)
    is_sum_of_all = request.choice.kind in GROUPED and "merchant" not in request.choice.columns
    across = is_sum_of_all and merchant_id is None
    reading = _Reading(database, actor, request, zone, sellers)
    rows = reading.across() if across else reading.visiting()
    is_one_snapshot = across or (request.choice.kind in GROUPED and len(sellers) <= 1)
    return ReportRows(request, as_of.astimezone(zone), zone, sellers, is_one_snapshot, rows)


async def _moment(session: PlatformSession) -> tuple[datetime, ZoneInfo]:
    row = (await session.execute(select(func.now().label("as_of"), mall.c.time_zone))).one()
    return row.as_of, ZoneInfo(row.time_zone)


async def _sellers(
    session: PlatformSession, slugs: Sequence[str] | None, merchant_id: UUID | None
) -> tuple[Seller, ...]:
    statement = select(merchant.c.id, merchant.c.slug)
    if merchant_id is not None:
        statement = statement.where(merchant.c.id == merchant_id)
    if slugs is not None:
        statement = statement.where(merchant.c.slug == func.any(list(slugs)))
    found = {row.slug: Seller(row.id, row.slug) for row in await session.execute(statement)}
    for position, slug in enumerate(slugs or ()):
        if slug not in found:
            reason = Worded("There is no merchant {slug}; check its slug.", slug=slug)
            raise InvalidInput(reason=reason, path=("merchants", position))
    return tuple(found[slug] for slug in sorted(found))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read, and by whom."""

    database: Database
    actor: str
    request: ReportRequest
    zone: ZoneInfo
    sellers: tuple[Seller, ...]

    async def visiting(self) -> AsyncIterator[Row]:
        """Merchant after merchant. Between two pages no transaction is open, however slowly they are taken."""
        position, after = 0, None
        while position < len(self.sellers):
            async with self.database.read(self.actor) as tx:
                page, position, after = await self._page(tx, position, after)
            for row in page:
                yield row

    async def _page(self, tx: Transaction, position: int, after: Key | None) -> tuple[list[Row], int, Key | None]:
        """Rows from a merchant on, after a key there; and where the next page begins."""
        page: list[Row] = []
        last = min(position + VISITS, len(self.sellers))
        while position < last and len(page) < PAGE:
            seller = self.sellers[position]
            async with tx.as_merchant(seller.id) as session:
                found, after = await self._rows(session, PAGE - len(page), after)
            page.extend(self._shown(row, seller) for row in found)
            position += after is None
        return page, position, after

    async def _rows(
        self, session: MerchantSession, limit: int, after: Key | None
    ) -> tuple[list[dict[str, Any]], Key | None]:
        """A merchant's rows, and where to go on with it; None where that was all."""
        choice = self.request.choice
        if choice.kind in GROUPED:
            return await self._groups(session), None
        query = QUERIES[choice.kind]
        statement = query.page(limit, after, choice.currency, choice.statuses)
        result = await session.execute(statement, self._parameters(session.merchant_id))
        found = [dict(row) for row in result.mappings()]
        is_all = not query.key or len(found) < limit
        return found, None if is_all else query.key_of(found[-1])

    async def _groups(self, session: MerchantSession) -> list[dict[str, Any]]:
        """Sums of one merchant's daily totals, read in its own schema."""
        across = GROUPED[self.request.choice.kind](self._dimensions())
        span = self.request.span
        parameters = {"date_from": span.date_from, "date_to": span.date_to}
        found = (await session.execute(across.statement, parameters)).mappings().all()
        rows = [
            {**row, **{name: int(row[name]) for name in across.sums}}
            for row in found
            if self.request.choice.currency in (None, row["currency"])
        ]
        return sorted(rows, key=lambda row: tuple(row[name] for name in across.group_by))

    async def across(self) -> AsyncIterator[Row]:
        """Sums over all merchants together, in one snapshot; so many rows as there are groups."""
        span, choice = self.request.span, self.request.choice
        read = report.commission_report if choice.kind is ReportKind.COMMISSION else report.settlement_report
        found = await read(
            self.database,
            date_from=span.date_from,
            date_to=span.date_to,
            group_by=self._dimensions(),
            merchants=[seller.id for seller in self.sellers],
        )
        for row in found.rows:
            if choice.currency in (None, row["currency"]):
                yield tuple(row[name] for name in choice.columns)

    def _dimensions(self) -> list[Dimension]:
        return [Dimension(name) for name in self.request.choice.grouped_by if name in set(Dimension)]

    def _parameters(self, merchant_id: UUID) -> dict[str, Any]:
        starts_at, ends_at = self.request.span.instants(self.zone)
        span = self.request.span
        return {
            "merchant": merchant_id,
            "zone": self.zone.key,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "date_from": span.date_from,
            "date_to": span.date_to,
        }

    def _shown(self, row: Mapping[str, Any], seller: Seller) -> Row:
        """The chosen columns of a row."""
        kind = self.request.choice.kind
        more: dict[str, Any] = {"merchant": seller.slug}
        if kind in DAY_OF:
            more["day"] = local_day(row[DAY_OF[kind]], self.zone)
        if kind is ReportKind.STATEMENTS:
            more |= _by_kind(row["kinds"])
        if kind is ReportKind.COMMISSION:
            more[report.NET] = row["net_minor"]
        values = {**row, **more}
        return tuple(self._local(values[name]) for name in self.request.choice.columns)

    def _local(self, value: Value) -> Value:
        return value.astimezone(self.zone) if isinstance(value, datetime) else value


def _by_kind(kinds: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """What a statement's kinds of entries come to, by column."""
    columns = {*STATEMENT_KINDS.values(), "adjustments_minor"}
    sums = dict.fromkeys(sorted(columns), 0)
    for kind, (_, amount_minor) in kinds.items():
        sums[STATEMENT_KINDS.get(kind, "adjustments_minor")] += amount_minor
    return sums
