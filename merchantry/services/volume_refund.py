"""Refunds and volumes: what the windows count less, and what of a true-up is taken back with a refund.

A refund lowers the volume of the window that it is booked in, where the tiers say so; what of a true-up it takes back
belongs to the window in which its line was captured.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.canonical import Json, rfc3339
from merchantry.domain.closing import charge_details, summed
from merchantry.domain.ledger import Entry
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import Schedule, local_day
from merchantry.domain.tier_refund import LastTrueUp, TakenBack, TieredLine, lowered, owed, owed_again, taken_out
from merchantry.domain.tiers import Tiers, Volume
from merchantry.services import ledger, totals
from merchantry.services.order import Order
from merchantry.services.terms import Terms
from merchantry.services.volume import FIGURES, HOLD, KEY, window_starts_at
from merchantry.tables.merchant import volume
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write

TiersOf = Mapping[tuple[str, int], Mapping[str, Tiers]]
"""The tiers of plan versions, by rule."""

Key = tuple[str, str, str, datetime, SellerOfRecord]


@dataclass(frozen=True, slots=True)
class Windows:
    """Where an order's refund counts: who sold, its currency, when it was captured and under which entry, when the
    refund is booked, and what cuts the windows."""

    seller: SellerOfRecord
    currency: str
    captured_at: datetime
    capture_seq: int
    at: datetime
    schedules: Sequence[Schedule]
    tiers: TiersOf

    def own(self, line: TieredLine) -> Key:
        """The window in which the line was captured."""
        return self._key(line, self.captured_at)

    def booked(self, line: TieredLine) -> Key | None:
        """The window that counts less; None where the tiers say that refunds lower no volume."""
        return self._key(line, self.at) if self.of(line).refunds_lower_volume else None

    def of(self, line: TieredLine) -> Tiers:
        """The tiers that the line was rated by."""
        return self.tiers[line.plan, line.plan_version][line.rule]

    def _key(self, line: TieredLine, at: datetime) -> Key:
        window = window_starts_at(self.of(line), at, self.schedules)
        return line.plan, line.rule, self.currency, window, self.seller


async def take_out(session: MerchantSession, lines: Sequence[TieredLine], windows: Windows) -> list[TakenBack]:
    """Take a refund out of the volumes. Its order is locked; the volumes are, until the transaction ends."""
    held = await _held(session, lines, windows)
    last = await _last_true_ups(session, held, windows)
    after, taken = dict(held), []
    for line in lines:
        own, booked = windows.own(line), windows.booked(line)
        owed_minor, tax_minor = owed(after[own], line, last.get(own))
        lowered_minor = lowered(windows.of(line), after[booked], line.base_minor) if booked else 0
        taken.append(_taken(line, own, lowered_minor, owed_minor, tax_minor, last.get(own)))
        _apply(after, taken[-1], own, booked)
    await _write(session, held, after)
    return taken


async def put_back(
    session: MerchantSession, lines: Sequence[TieredLine], windows: Windows, lowered_by: Mapping[UUID, int]
) -> list[TakenBack]:
    """A refund is undone: the current window counts as much again as the refund had `lowered_by`, line by line."""
    held = await _held(session, lines, windows)
    last = await _last_true_ups(session, held, windows)
    after, taken = dict(held), []
    for line in lines:
        own, booked = windows.own(line), windows.booked(line)
        owed_minor, tax_minor = owed_again(after[own], line, last.get(own))
        negative = replace(line, base_minor=-line.base_minor, part_minor=-line.part_minor)
        lowered_minor = -lowered_by.get(line.line_id, 0) if booked else 0
        taken.append(_taken(negative, own, lowered_minor, owed_minor, tax_minor, last.get(own)))
        _apply(after, taken[-1], own, booked)
    await _write(session, held, after)
    return taken


def _taken(
    line: TieredLine, own: Key, lowered_minor: int, owed_minor: int, tax_minor: int, last: LastTrueUp | None
) -> TakenBack:
    """What is taken of a line; a bounded one takes nothing that is open."""
    return TakenBack(
        line_id=line.line_id,
        plan=line.plan,
        plan_version=line.plan_version,
        rule=line.rule,
        window=rfc3339(own[3]),
        base_minor=0 if line.bound else line.base_minor,
        part_minor=0 if line.bound else line.part_minor,
        lowered_minor=lowered_minor,
        owed_minor=owed_minor,
        tax_minor=tax_minor,
        tax_bps=last.tax_bps if last else 0,
    )


def _apply(volumes: dict[Key, Volume], taken: TakenBack, own: Key, booked: Key | None) -> None:
    volumes[own] = taken_out(volumes[own], taken)
    if booked:
        volumes[booked] = less(volumes[booked], taken.lowered_minor)


def less(window: Volume, lowered_minor: int) -> Volume:
    """A window after it counts so much less."""
    return replace(window, counted_minor=window.counted_minor - lowered_minor)


async def _held(session: MerchantSession, lines: Iterable[TieredLine], windows: Windows) -> dict[Key, Volume]:
    keys = sorted({key for line in lines for key in (windows.own(line), windows.booked(line)) if key})
    rows = [{**dict(zip(KEY, key, strict=True)), **dict.fromkeys(FIGURES, 0)} for key in keys]
    found = await session.execute(HOLD.values(rows))
    return {
        (row.plan, row.rule, row.currency, row.window_starts_at, SellerOfRecord(row.seller_of_record)): Volume(
            *(getattr(row, name) for name in FIGURES)
        )
        for row in found
    }


async def _last_true_ups(
    session: MerchantSession, held: Mapping[Key, Volume], windows: Windows
) -> dict[Key, LastTrueUp]:
    """The last true-ups of windows that came after the order's capture."""
    found = {}
    for key, window in held.items():
        if window.trued_up_seq > windows.capture_seq:
            details = (await ledger.entry_of(session, window.trued_up_seq)).entry.details
            found[key] = LastTrueUp(int(str(details["rate_bps"])), int(str(details["commission_tax_bps"])))
    return found


async def _write(session: MerchantSession, before: Mapping[Key, Volume], after: Mapping[Key, Volume]) -> None:
    changes = [
        Changed(volume, dict(zip(KEY, key, strict=True)), {name: getattr(after[key], name) for name in FIGURES})
        for key in sorted(before)
        if after[key] != before[key]
    ]
    if changes:
        await write(session, *changes)


def rows_of(entry: Entry) -> list[TakenBack]:
    """What an entry's details say that it took out of volumes."""
    rows = entry.details.get("volumes", ())
    found = rows if isinstance(rows, list | tuple) else ()
    return [TakenBack.from_row(row) for row in found if isinstance(row, Mapping)]


async def book_taken_back(
    session: MerchantSession,
    found: Order,
    taken: Sequence[TakenBack],
    categories: Mapping[UUID, str],
    refund_seq: int,
    terms: Terms,
    act: Act,
) -> None:
    """Book what a refund takes back of true-ups, at once out of what is available; nothing where that is nothing."""
    rows = [each for each in taken if each.owed_minor or each.tax_minor]
    owed_minor, tax_minor = sum(each.owed_minor for each in rows), sum(each.tax_minor for each in rows)
    if not rows:
        return
    by_category: list[Json] = [[categories[each.line_id], each.owed_minor, each.tax_minor] for each in rows]
    details: dict[str, Json] = {
        "number": found.number,
        **charge_details(summed({each.tax_bps: (each.owed_minor, each.tax_minor)} for each in rows)),
        "categories": by_category,
    }
    entry = entries.true_up_taken_back(
        found.id,
        owed_minor,
        tax_minor,
        found.currency,
        refund_seq=refund_seq,
        seller=found.seller,
        occurred_at=act.at,
        details=details,
    )
    await ledger.book(session, entry, act, entries.platform_side(entry, earned=True))
    figures = [totals.true_up_taken_back(categories[each.line_id], each.owed_minor, each.tax_minor) for each in rows]
    await totals.add_to_day(session, local_day(act.at, terms.mall_zone), found.currency, figures, orders=0)
