"""What happened in the demo's mall: two months of purchases and what became of them, the same ones every time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from merchantry.demo.mall import BUYERS, MAIN, OWN_COUPON, STALLS, WELCOME, Stall

DAYS: Final = 60
PURCHASES: Final = 183
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
SHARED: Final = 6
"""Of each merchant's variants, how many sell; the rest are the last pieces of their kind."""


class Paying(StrEnum):
    """How a buyer goes about paying."""

    AT_ONCE = "at once"
    SECOND_TRY = "declined, then by other means"
    ACTION = "approved on the provider's page"
    ACTION_OPEN = "has the provider's page open"
    DECLINED = "declined"
    NEVER = "never"
    GIVES_UP = "cancels before paying"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a paid order, counted from its placing; what lies in the future has not happened yet."""

    cancelled_after: timedelta | None
    shipped_after: tuple[timedelta, ...]
    delivered_after: tuple[timedelta, ...]
    """By parcel; a carrier that tells nothing has none."""
    confirmed_after: timedelta | None


@dataclass(frozen=True, slots=True)
class Part:
    """What is bought of one merchant: positions of its variants and quantities."""

    stall: Stall
    lines: tuple[tuple[int, int], ...]
    fate: Fate


@dataclass(frozen=True, slots=True)
class Purchase:
    """One checkout."""

    id: UUID
    buyer: int
    currency: str
    placed_at: datetime
    paying: Paying
    parts: tuple[Part, ...]
    coupons: tuple[str, ...] = ()


class Kind(StrEnum):
    """Something that happens after a purchase was paid, or is not going to be."""

    SHIP = "ship"
    DELIVER = "deliver"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Event:
    """One of those things. ``parcel`` counts from 0."""

    at: datetime
    kind: Kind
    purchase: Purchase
    part: Part
    parcel: int = 0


def purchases(begin: datetime) -> list[Purchase]:
    """Everything that was bought in the ``DAYS`` from ``begin`` on, in the order of time."""
    chance = random.Random(7)
    made = [_purchase(chance, number, begin) for number in range(PURCHASES)]
    return sorted([*made, *_on_their_way(begin)], key=lambda purchase: purchase.placed_at)


def fresh(now: datetime) -> list[Purchase]:
    """Three that are being paid at this moment: one waits, one has the provider's page open, one was declined."""
    chance = random.Random(now.timestamp())
    ways = ((Paying.NEVER, 9), (Paying.ACTION_OPEN, 6), (Paying.DECLINED, 3))
    return [
        Purchase(uuid4(), position, "BRL", now - minutes * MINUTE, paying, _parts(chance, 2, "BRL"))
        for position, (paying, minutes) in enumerate(ways)
    ]


def events(purchase: Purchase) -> list[Event]:
    """What happens to a purchase after it was placed and paid."""
    found = []
    if purchase.paying is Paying.GIVES_UP:
        return [Event(purchase.placed_at + 12 * MINUTE, Kind.GIVE_UP, purchase, purchase.parts[0])]
    if purchase.paying in (Paying.DECLINED, Paying.NEVER, Paying.ACTION_OPEN):
        return []
    for part in purchase.parts:
        fate = part.fate
        if fate.cancelled_after is not None:
            found.append(Event(purchase.placed_at + fate.cancelled_after, Kind.CANCEL, purchase, part))
            continue
        for kind, moments in ((Kind.SHIP, fate.shipped_after), (Kind.DELIVER, fate.delivered_after)):
            found += [Event(purchase.placed_at + after, kind, purchase, part, n) for n, after in enumerate(moments)]
        if fate.confirmed_after is not None:
            found.append(Event(purchase.placed_at + fate.confirmed_after, Kind.CONFIRM, purchase, part))
    return found


def _purchase(chance: random.Random, number: int, begin: datetime) -> Purchase:
    # Later days are a little busier; each day's last two hours are left free, for jobs that fall due and for fresh().
    day = int(DAYS * chance.random() ** 0.75)
    placed_at = begin + day * DAY + chance.randrange(5, 22 * 60) * MINUTE
    ways = (Paying.AT_ONCE,) * 86 + (Paying.SECOND_TRY,) * 4 + (Paying.NEVER,) * 3 + (Paying.DECLINED,) * 3
    paying = chance.choice((*ways, Paying.ACTION, Paying.ACTION, Paying.GIVES_UP, Paying.GIVES_UP))
    currency = "USD" if chance.random() < 0.05 else "BRL"
    count = chance.choices((1, 2, 3, 4), (58, 28, 11, 3))[0]
    parts = _parts(chance, count, currency)
    return Purchase(
        id=uuid5(NAMESPACE_URL, f"https://mall.example/demo/{begin.isoformat()}/{number}"),
        buyer=chance.randrange(len(BUYERS)),
        currency=currency,
        placed_at=placed_at,
        paying=paying,
        parts=parts,
        coupons=_coupons(number, currency, parts),
    )


def _coupons(number: int, currency: str, parts: Sequence[Part]) -> tuple[str, ...]:
    """Every second buyer at the main merchant knows its coupon, every sixth anywhere the mall's."""
    own = (OWN_COUPON,) if number % 2 and MAIN in {part.stall.slug for part in parts} else ()
    return (*own, WELCOME) if number % 6 == 0 and currency == "BRL" else own


def _parts(chance: random.Random, count: int, currency: str) -> tuple[Part, ...]:
    stalls = [stall for stall in STALLS if currency == "BRL" or stall.sells_in_usd]
    return tuple(_part(chance, stall) for stall in chance.sample(stalls, min(count, len(stalls))))


def _part(chance: random.Random, stall: Stall) -> Part:
    positions = chance.sample(range(SHARED), chance.choices((1, 2, 3), (60, 30, 10))[0])
    lines = tuple((position, chance.choices((1, 2, 3), (70, 22, 8))[0]) for position in positions)
    return Part(stall, lines, _fate(chance, pieces=sum(quantity for _, quantity in lines)))


def _fate(chance: random.Random, pieces: int) -> Fate:
    if chance.random() < 0.07:
        return Fate(chance.randrange(2, 20) * HOUR, (), (), None)
    first = chance.randrange(24, 72) * HOUR
    in_two = pieces > 1 and chance.random() < 0.25
    shipped = (first, first + chance.randrange(20, 60) * HOUR) if in_two else (first,)
    if chance.random() < 0.08:
        return Fate(None, shipped, (), None)
    last = shipped[-1]
    delivered = tuple(moment + chance.randrange(50, 110) * HOUR for moment in shipped)
    arrived = max(last, *delivered)
    confirmed = arrived + chance.randrange(4, 120) * HOUR if chance.random() < 0.55 else None
    return Fate(None, shipped, delivered, confirmed)


def _on_their_way(begin: datetime) -> Sequence[Purchase]:
    """Three of the last days, so that every state is there: half of each is still to come."""
    end = begin + DAYS * DAY
    days = (3, 4, 5)
    fates = (
        Fate(None, (1 * DAY, 4 * DAY), (), None),
        Fate(None, (1 * DAY, 2 * DAY), (3 * DAY,), None),
        Fate(None, (1 * DAY,), (3 * DAY,), None),
    )
    stalls = STALLS[0], STALLS[3], STALLS[6]
    return [
        Purchase(
            id=uuid5(NAMESPACE_URL, f"https://mall.example/demo/{begin.isoformat()}/way-{days[position]}"),
            buyer=position,
            currency="BRL",
            placed_at=end - days[position] * DAY,
            paying=Paying.AT_ONCE,
            parts=tuple(Part(stall, ((0, 1), (2, 2)), fates[position]) for stall in stalls),
        )
        for position in range(len(days))
    ]
