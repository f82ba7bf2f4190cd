"""A coupon to be, checked before anything is written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from merchantry.domain.coupon import CouponKind, CouponTerms
from merchantry.domain.errors import InvalidInput
from merchantry.domain.money import BPS
from merchantry.domain.price import check_prices
from merchantry.domain.text import Path, check_text
from merchantry.domain.worded import Worded

MAX_TITLE = 200
MAX_LISTED = 500
MAX_USES = 10**9
_CODE = re.compile(r"[A-Z0-9](?:[A-Z0-9_-]{1,30})[A-Z0-9]")


@dataclass(frozen=True, slots=True)
class NewCoupon:
    """A coupon to be. ``merchant_id`` is whose it is: None for the platform's."""

    id: UUID
    merchant_id: UUID | None
    code: str
    title: str
    terms: CouponTerms


def is_code(text: str) -> bool:
    """Whether a coupon can have this code."""
    return bool(_CODE.fullmatch(text))


def normalised(code: str) -> str:
    """A code as it is stored and looked for: people type it in any case."""
    return code.strip().upper()


def check(new: NewCoupon, at: datetime) -> None:
    """Raises InvalidInput with the path of the argument at fault.

    A merchant's coupon lowers its own lines at its own expense. The platform's may charge merchants only where it names
    them all, because they have to have agreed.
    """
    if not is_code(new.code):
        reason = "Give a code of 3 to 32 letters A to Z, digits, - and _, that begins and ends with a letter or digit."
        raise InvalidInput(reason=reason, path=("code",))
    check_text(new.title, MAX_TITLE, ("title",))
    _check_discount(new.terms)
    _check_funding(new)
    _check_limits(new.terms, at)


def _check_discount(terms: CouponTerms) -> None:
    if terms.kind is CouponKind.PERCENT:
        if not 0 < terms.percent_bps <= BPS or terms.amount_minor:
            raise InvalidInput(reason="Give a percentage above 0 % and up to 100 %.", path=("percent_bps",))
    elif terms.percent_bps or not terms.amount_minor:
        raise InvalidInput(reason="Give the amounts that it takes off, one for each currency.", path=("amounts",))
    for name, amounts in _amounts(terms).items():
        check_prices(amounts, (name,))
        if amounts and min(amounts.values()) < 1:
            raise InvalidInput(reason="Give amounts above zero, or leave them out.", path=(name,))


def _amounts(terms: CouponTerms) -> dict[str, Mapping[str, int]]:
    return {"amounts": terms.amount_minor or {}, "minimum": terms.minimum_minor or {}, "most": terms.most_minor or {}}


def _check_funding(new: NewCoupon) -> None:
    share, merchants = new.terms.merchant_share_bps, new.terms.merchants
    if not 0 <= share <= BPS:
        raise InvalidInput(reason="Give a share of 0 % to 100 %.", path=("merchant_share_bps",))
    if new.merchant_id is not None and (share != BPS or merchants != {new.merchant_id}):
        raise InvalidInput(reason="A merchant's coupon lowers its own goods at its own expense.", path=("merchants",))
    if new.merchant_id is None and share and not merchants:
        reason = "Name the merchants that pay a share; each of them has to have agreed."
        raise InvalidInput(reason=reason, path=("merchants",))


def _check_limits(terms: CouponTerms, at: datetime) -> None:
    if terms.ends_at is not None and terms.ends_at <= max(terms.starts_at, at):
        raise InvalidInput(reason="Give an end that lies after the start, and in the future.", path=("ends_at",))
    limits: dict[str, int | None] = {
        "most_uses": terms.most_uses,
        "most_uses_per_buyer": terms.most_uses_per_buyer,
    }
    for name, limit in limits.items():
        if limit is not None and not 0 < limit <= MAX_USES:
            raise InvalidInput(
                reason=Worded("Give a number of uses from 1 to {most}, or none.", most=MAX_USES), path=(name,)
            )
    listed: dict[str, Path] = {"merchants": ("merchants",), "categories": ("categories",), "products": ("products",)}
    for name, path in listed.items():
        if len(getattr(terms, name)) > MAX_LISTED:
            raise InvalidInput(reason=Worded("Name at most {most}.", most=MAX_LISTED), path=path)
