"""The computation of a line's commission in words, from what is frozen with the line."""

from typing import Final

from merchantry.domain.line_commission import BaseParts, LineCommission
from merchantry.domain.money import BPS, format_minor
from merchantry.domain.plan import FixedPer

_BOUNDS: Final = {
    "none": "",
    "floor": ", raised to the floor",
    "cap": ", lowered to the cap",
    "base": ", limited to the base",
    "money": ", limited to what sales tax leaves",
}


def in_words(rated: LineCommission, currency: str) -> str:
    """The whole way to the commission: ``12.00 % of 345.00 BRL = 41.40, rounded half up: 41.40 BRL by rule …``."""
    result = format_minor(rated.commission_minor, currency)
    computed = f"{_base(rated.base, currency)}{_rate_part(rated, currency)}{_fixed(rated, currency)}"
    tax = ""
    if rated.commission_tax_bps:
        tax = f"; {percent(rated.commission_tax_bps)} tax on it: {format_minor(rated.commission_tax_minor, currency)}"
    return f"{computed}{_BOUNDS[rated.bound]}: {result} {currency} by rule {rated.rule}{tax}"


def percent(rate_bps: int) -> str:
    """Basis points as a percentage: 1250 is ``12.50 %``."""
    whole, hundredths = divmod(rate_bps, BPS // 100)
    return f"{whole}.{hundredths:02d} %"


def _base(base: BaseParts | None, currency: str) -> str:
    """What the base is made of, where it is more than the goods."""
    if base is None:
        return ""
    parts = (
        ("goods", base.goods_minor),
        ("merchant's discount", -base.discount_minor),
        ("shipping", base.shipping_minor),
        ("sales tax", base.goods_tax_minor + base.shipping_tax_minor),
    )
    named = [(name, amount) for name, amount in parts if amount]
    if len(named) < 2:
        return ""
    (first, amount), *others = named
    summed = f"{first} {format_minor(amount, currency)}"
    for name, amount in others:
        summed += f" {'-' if amount < 0 else '+'} {name} {format_minor(abs(amount), currency)}"
    return f"{summed} = {format_minor(base.base_minor, currency)}; "


def _rate_part(rated: LineCommission, currency: str) -> str:
    cuts = [(cut.rate_bps, cut.amount_minor, cut.part_minor) for cut in rated.slices]
    rates = cuts or [(rated.rate_bps, rated.base_minor, rated.rate_part_minor)]
    written = " + ".join(
        f"{percent(rate_bps)} of {format_minor(amount, currency)} {currency} = {format_minor(part, currency)}"
        for rate_bps, amount, part in rates
    )
    volume = ""
    if rated.tier_mode is not None:
        volume = f" ({rated.tier_mode} tiers after {format_minor(rated.volume_before_minor, currency)})"
    return f"{written}{volume}, {'each ' if len(rates) > 1 else ''}rounded half up"


def _fixed(rated: LineCommission, currency: str) -> str:
    if not rated.fixed_minor:
        return ""
    each = format_minor(rated.fixed_each_minor, currency)
    how = {
        FixedPer.LINE: "",
        FixedPer.UNIT: f" ({rated.quantity} units of {each})",
        FixedPer.ORDER: f" (of {each} per order)",
    }
    return f" + fixed {format_minor(rated.fixed_minor, currency)}{how[rated.fixed_per]}"
