"""Plans whose tiers a few orders reach."""

from typing import Any

TAX_BPS = 1900


def retroactive(step_minor: int, *, lowers: bool) -> dict[str, Any]:
    """10 %, and 8 % of the month from a step on."""
    return {
        "mode": "retroactive",
        "window": "calendar_month",
        "time_zone": "America/Sao_Paulo",
        "refunds_lower_volume": lowers,
        "steps": [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": step_minor, "rate_bps": 800}],
    }
