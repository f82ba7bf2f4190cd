"""Further parties of a split: suppliers and affiliates, paid out of the merchant's part or of the commission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from merchantry.domain.money import of_bps


class BeneficiaryKind(StrEnum):
    """What the party is to the sale."""

    SUPPLIER = "supplier"
    AFFILIATE = "affiliate"


class ShareOf(StrEnum):
    """Whose part the share is taken from."""

    MERCHANT = "merchant"
    COMMISSION = "commission"


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """A party with a share: either basis points of the part it is taken from, or an amount per line by currency."""

    name: str
    kind: BeneficiaryKind
    of: ShareOf
    share_bps: int | None = None
    fixed_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """What a beneficiary gets of a line."""

    name: str
    kind: BeneficiaryKind
    of: ShareOf
    amount_minor: int

    def document(self) -> dict[str, str | int]:
        """As it is stored with a line."""
        return {"name": self.name, "kind": self.kind.value, "of": self.of.value, "amount_minor": self.amount_minor}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Share":
        """What `document` wrote."""
        kind, part = BeneficiaryKind(document["kind"]), ShareOf(document["of"])
        return cls(document["name"], kind, part, document["amount_minor"])


def shares(
    beneficiaries: Sequence[Beneficiary], currency: str, *, merchant_minor: int, commission_minor: int
) -> tuple[Share, ...]:
    """What each beneficiary gets of these two parts, in the declared order, and never more than is left of its part.

    Basis points are of the whole part, half-up, whoever comes before.
    """
    parts = {ShareOf.MERCHANT: merchant_minor, ShareOf.COMMISSION: commission_minor}
    left = dict(parts)
    given = []
    for party in beneficiaries:
        if party.share_bps is None:
            asked_minor = party.fixed_minor.get(currency, 0)
        else:
            asked_minor = of_bps(parts[party.of], party.share_bps)
        amount_minor = min(asked_minor, left[party.of])
        left[party.of] -= amount_minor
        given.append(Share(party.name, party.kind, party.of, amount_minor))
    return tuple(given)
