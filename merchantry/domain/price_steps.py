"""Steps that prices are counted by: 1, 2, 5 and their tenfolds of a currency's unit, so that they read well."""

from merchantry.domain.money import digits

STEPS = 15


def price_steps(currency: str) -> list[int]:
    """Where each step begins, in minor units, the first at zero; the last has no end. Raises UnknownCurrency."""
    unit = 10 ** digits(currency)
    return [0, *(unit * factor * 10 ** (power) for power in range(STEPS // 3) for factor in (10, 20, 50))]
