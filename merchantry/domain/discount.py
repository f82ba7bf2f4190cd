"""Who pays for a discount: the merchant, the platform, or both by ratio."""

from merchantry.domain.money import BPS, of_bps


def share_discount(discount_minor: int, platform_bps: int) -> tuple[int, int]:
    """A discount as (the merchant's part, the platform's part): the platform's half-up, the merchant has the rest.

    Raises ValueError for a negative discount and for a ratio that is not from 0 to 10,000 basis points.
    """
    if discount_minor < 0 or not 0 <= platform_bps <= BPS:
        raise ValueError(f"A discount of {discount_minor} can't be shared by {platform_bps} basis points")
    platform_minor = of_bps(discount_minor, platform_bps)
    return discount_minor - platform_minor, platform_minor
