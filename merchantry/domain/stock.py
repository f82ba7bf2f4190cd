"""What becomes of a stock when a count or a change comes in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from merchantry.domain.errors import InvalidInput, StockRefused
from merchantry.domain.worded import Worded

MAX_STOCK: Final = 1_000_000_000


class StockMode(StrEnum):
    """What a quantity says."""

    SET = "set"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class Stock:
    """Pieces of a variant. ``reserved`` of those on hand belong to orders that have not shipped."""

    variant_id: UUID
    on_hand: int
    reserved: int

    def after(self, mode: StockMode, quantity: int) -> "Stock":
        """The stock once so many were counted, or came in (are gone, where negative).

        Raises StockRefused where less would be left than is reserved, InvalidInput beyond MAX_STOCK.
        """
        on_hand = quantity if mode is StockMode.SET else self.on_hand + quantity
        if abs(quantity) > MAX_STOCK or not on_hand <= MAX_STOCK:
            raise InvalidInput(reason=Worded("Stock is a number from 0 to {most}.", most=MAX_STOCK), path=("quantity",))
        if on_hand < self.reserved:
            change = on_hand - self.on_hand
            raise StockRefused(
                variant_id=self.variant_id,
                on_hand=self.on_hand,
                reserved=self.reserved,
                change=change,
                path=("quantity",),
            )
        return Stock(self.variant_id, on_hand, self.reserved)
