"""Chargebacks in plain Python: who loses what when a bank takes a payment back, told from the rules alone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tests.model.plain import ENDED, PlainMerchant, PlainOrder


@dataclass(eq=False)
class PlainChargeback:
    """One round of a bank's claim on one order."""

    id: UUID
    order: PlainOrder
    round: int
    amount: int
    fee: int
    bearer: str
    status: str = "opened"
    covered: int = 0
    held: int = 0
    taken: tuple[int, int, int] | None = None
    """Goods, shipping and what was above the sale, once it is lost; None again when they have come back."""

    @property
    def bearer_account(self) -> str:
        """Whose account pays the fee, and what is above the sale."""
        return "platform_expense" if self.bearer == "platform" else "merchant_available"


@dataclass(eq=False)
class PlainClaim:
    """All rounds under one reference of the bank."""

    merchant: PlainMerchant
    order: PlainOrder
    reference: str
    rounds: list[PlainChargeback]

    @property
    def last(self) -> PlainChargeback:
        """The round that counts."""
        return self.rounds[-1]

    @property
    def is_lost(self) -> bool:
        """Whether the money is with the bank, whatever is disputed about it now."""
        decided = [each.status for each in self.rounds if each.status != "opened"]
        return bool(decided) and decided[-1] == "lost"

    @property
    def linked(self) -> int:
        """What of the order's refunds the claim is about, since it was last won."""
        covered = 0
        for each in self.rounds:
            covered = 0 if each.status == "won" else covered + each.covered
        return covered


def divided(order: PlainOrder, amount: int, others: list[PlainClaim]) -> tuple[int, int, int]:
    """What is left of the sale, what was refunded and is no other claim's, and what is above both."""
    sale = min(order.left, amount)
    covered = min(max(order.refunded - sum(each.linked for each in others), 0), amount - sale)
    return covered, sale, amount - covered - sale


def open_round(claim: PlainClaim, new: PlainChargeback, others: list[PlainClaim], at: datetime) -> None:
    """What is available is held, unless the money is with the bank already."""
    merchant, order = claim.merchant, claim.order
    if not claim.is_lost:
        new.covered, sale, _ = divided(order, new.amount, others)
        new.held = min(sale, max(merchant.available, 0)) if order.is_released else 0
        merchant.move("merchant_available", "merchant_held", new.held, at)
    claim.rounds.append(new)
    order.dispute(at)


def lose(claim: PlainClaim, others: list[PlainClaim], at: datetime) -> None:
    """The sale's parties lose what is left of it, once; the fee is the bearer's."""
    merchant, order, last = claim.merchant, claim.order, claim.last
    merchant.move("merchant_held", "merchant_available", last.held, at)
    if not claim.is_lost:
        last.covered, sale, above = divided(order, last.amount, others)
        if sale + above:
            goods, shipping = order.shares(sale)
            to = {"buyer_funds": sale + above}
            to[last.bearer_account] = to.get(last.bearer_account, 0) - above
            merchant.take_back(order, goods, shipping, to, at)
            last.taken = goods, shipping, above
    _end(claim, "lost", at)


def win(claim: PlainClaim, at: datetime) -> None:
    """What was held is free, and what an earlier round took is everybody's again."""
    merchant, order = claim.merchant, claim.order
    merchant.move("merchant_held", "merchant_available", claim.last.held, at)
    for lost in claim.rounds:
        if lost.taken is None:
            continue
        goods, shipping, above = lost.taken
        back = {"buyer_funds": -goods - shipping - above}
        back[lost.bearer_account] = back.get(lost.bearer_account, 0) + above
        merchant.take_back(order, -goods, -shipping, back, at)
        lost.taken = None
        if goods + shipping and order.status in ENDED and not order.is_released:
            merchant.release(order, at)
    _end(claim, "won", at)


def _end(claim: PlainClaim, status: str, at: datetime) -> None:
    last = claim.last
    last.status = status
    claim.merchant.move(last.bearer_account, "payment_fee", last.fee, at)
    claim.order.end_dispute(at)
