"""A line's money divided, as it is frozen at capture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from merchantry.domain.beneficiary import Share, ShareOf
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.line_commission import LineCommission
from merchantry.domain.tax import LineTax

VERSION: Final = 1
"""Of the document's form; a reader refuses what it does not know."""

_FIGURES: Final = (
    "goods_minor",
    "shipping_minor",
    "gross_minor",
    "commission_minor",
    "merchant_minor",
    "discount_merchant_minor",
    "subsidy_minor",
    "added_tax_minor",
    "sales_tax_minor",
    "commission_tax_minor",
    "payment_fee_minor",
    "platform_fee_minor",
)


class Parts(Protocol):
    """The figures that a line's split and an order's have in common."""

    @property
    def goods_minor(self) -> int: ...
    @property
    def shipping_minor(self) -> int: ...
    @property
    def gross_minor(self) -> int: ...
    @property
    def commission_minor(self) -> int: ...
    @property
    def merchant_minor(self) -> int: ...
    @property
    def discount_merchant_minor(self) -> int: ...
    @property
    def subsidy_minor(self) -> int: ...
    @property
    def added_tax_minor(self) -> int: ...
    @property
    def sales_tax_minor(self) -> int: ...
    @property
    def commission_tax_minor(self) -> int: ...
    @property
    def payment_fee_minor(self) -> int: ...
    @property
    def platform_fee_minor(self) -> int: ...
    @property
    def shares_minor(self) -> int: ...
    @property
    def paid_minor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LineSplit:
    """A line's money divided.

    `commission_minor` is what the platform keeps of the commission; with the shares that are taken from it, it is what
    the merchant is charged (`charged_minor`). `payment_fee_minor` is what the merchant bears of the provider's fee,
    `platform_fee_minor` what the platform bears; the latter is its own expense and no part of the line's money.
    """

    id: UUID
    goods_minor: int
    shipping_minor: int
    gross_minor: int
    commission: LineCommission
    commission_minor: int
    merchant_minor: int
    discount_merchant_minor: int = 0
    subsidy_minor: int = 0
    tax: LineTax | None = None
    added_tax_minor: int = 0
    sales_tax_minor: int = 0
    commission_tax_minor: int = 0
    payment_fee_minor: int = 0
    platform_fee_minor: int = 0
    shares: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        check_parts(self)
        if self.charged_minor != self.commission.commission_minor:
            raise ValueError("The commission is not what the platform and its beneficiaries get of it together")

    @property
    def amounts(self) -> LineAmounts:
        """The line's price as it was sold."""
        return LineAmounts(
            self.goods_minor, self.shipping_minor, self.discount_merchant_minor, self.subsidy_minor, self.tax
        )

    @property
    def paid_minor(self) -> int:
        """What the buyer paid."""
        return self.gross_minor - self.subsidy_minor

    @property
    def shares_minor(self) -> int:
        """What all beneficiaries get."""
        return sum(share.amount_minor for share in self.shares)

    @property
    def charged_minor(self) -> int:
        """The commission that the merchant is charged, whoever gets it."""
        given = (share.amount_minor for share in self.shares if share.of is ShareOf.COMMISSION)
        return self.commission_minor + sum(given)

    def document(self) -> dict[str, Any]:
        """As JSON, without floats: amounts are integers of minor units. `from_document` reads it again."""
        return {
            "version": VERSION,
            "id": str(self.id),
            **{name: getattr(self, name) for name in _FIGURES},
            "tax": None if self.tax is None else self.tax.document(),
            "shares": [share.document() for share in self.shares],
            "commission": self.commission.document(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LineSplit":
        """What `document` wrote. Raises ValueError for a version that is not known, and for parts that don't sum."""
        if document["version"] != VERSION:
            raise ValueError(f"A line's split of version {document['version']} is not known")
        return cls(
            id=UUID(document["id"]),
            **{name: document[name] for name in _FIGURES},
            tax=None if document["tax"] is None else LineTax.from_document(document["tax"]),
            shares=tuple(Share.from_document(share) for share in document["shares"]),
            commission=LineCommission.from_document(document["commission"]),
        )


def check_parts(part: Parts) -> None:
    """Both sides of a split are the same money, and nobody's part is negative. Raises ValueError."""
    priced_minor = part.goods_minor - part.discount_merchant_minor + part.shipping_minor + part.added_tax_minor
    if part.gross_minor != priced_minor:
        raise ValueError("The gross amount is not goods less discount, shipping and added tax together")
    parties = (
        part.merchant_minor,
        part.commission_minor,
        part.commission_tax_minor,
        part.payment_fee_minor,
        part.sales_tax_minor,
        part.shares_minor,
    )
    if part.gross_minor != sum(parties):
        raise ValueError("The gross amount is not what all parties get together")
    if min(*parties, part.paid_minor, part.subsidy_minor, part.platform_fee_minor) < 0:
        raise ValueError("No part of a split is negative")
    if min(part.goods_minor, part.shipping_minor, part.discount_merchant_minor, part.added_tax_minor) < 0:
        raise ValueError("No amount of a line is negative")
