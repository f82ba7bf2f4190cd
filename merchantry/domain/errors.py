"""Everything that is expected to go wrong, as one tree of exceptions.

The first paragraph of a class's docstring is its message to whoever asked; the fields are the facts behind it. The door
maps a class to a problem by its name, so the fields are part of the contract.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from merchantry.domain.worded import in_language

WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(eq=False, kw_only=True)
class MarketError(Exception):
    """The request can't be carried out.

    `path` leads to the input that caused it, from the outermost argument inwards: `("lines", 2, "quantity")`.
    """

    code: ClassVar[str] = "MARKET_ERROR"
    path: tuple[str | int, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = WORD_BOUNDARY.sub("_", cls.__name__).upper()

    @classmethod
    def template(cls) -> str:
        """The message with its facts' names in braces."""
        return inspect.cleandoc(cls.__doc__ or cls.code).split("\n\n")[0].replace("\n", " ")

    @property
    def message(self) -> str:
        """What went wrong and what to do about it, in one sentence for a person."""
        return self.said(str)

    def said(self, translate: Callable[[str], str]) -> str:
        """The message in another language: of the whole sentence, and of sentences and messages within it."""
        facts = {fact.name: _readable(getattr(self, fact.name), translate) for fact in fields(self)}
        return translate(self.template()).format_map(facts)

    def __str__(self) -> str:
        return self.message


def _readable(value: object, translate: Callable[[str], str]) -> object:
    """A fact as it stands in a sentence: lists of problems as their texts, sentences translated, all else as it is."""
    if isinstance(value, tuple):
        return "; ".join(_part(part, translate) for part in value)
    return in_language(value, translate) if isinstance(value, str) else value


def _part(part: object, translate: Callable[[str], str]) -> str:
    if isinstance(part, MarketError):
        return part.said(translate)
    return ": ".join(map(str, part)) if isinstance(part, tuple) else str(part)


@dataclass(eq=False, kw_only=True)
class NotFound(MarketError):
    """There is no such {what}; check the id.

    What belongs to somebody else answers the same, so that nobody learns of its existence.
    """

    what: str


@dataclass(eq=False, kw_only=True)
class InvalidInput(MarketError):
    """{reason}

    The reason is a whole sentence that says what to send instead.
    """

    reason: str


@dataclass(eq=False, kw_only=True)
class NotPermitted(MarketError):
    """This needs the permission {permission}; ask for a role that has it."""

    permission: str


@dataclass(eq=False, kw_only=True)
class UnknownCurrency(MarketError):
    """{currency} is not a currency in use; give an ISO 4217 code such as EUR or JPY."""

    currency: str


@dataclass(eq=False, kw_only=True)
class MixedCurrencies(MarketError):
    """These amounts are in several currencies ({currencies}); keep to one, and use another checkout for another."""

    currencies: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class UnknownVariant(MarketError):
    """Nothing is on sale under the variant {variant_id}; remove the line or choose another variant."""

    variant_id: str


@dataclass(eq=False, kw_only=True)
class InvalidQuantity(MarketError):
    """{quantity} is not a quantity that can be asked for; give a whole number within the limits, at least 1."""

    quantity: int


@dataclass(eq=False, kw_only=True)
class PriceChanged(MarketError):
    """The price has changed since it was shown; show the price of now and ask again with it."""

    variant_id: UUID
    seen_minor: int
    now_minor: int
    currency: str


@dataclass(eq=False, kw_only=True)
class OutOfStock(MarketError):
    """Only {available} left in stock; lower the quantity or remove the line."""

    variant_id: UUID
    available: int


@dataclass(eq=False, kw_only=True)
class MerchantUnavailable(MarketError):
    """The merchant {merchant} takes no orders at present; remove its lines or try again later."""

    merchant: str


@dataclass(eq=False, kw_only=True)
class UnknownShippingOption(MarketError):
    """The merchant {merchant} does not ship by {option}; choose one of the options that the quote lists."""

    merchant: str
    option: str


@dataclass(eq=False, kw_only=True)
class EmptyCheckout(MarketError):
    """The checkout has no lines; add at least one."""


@dataclass(eq=False, kw_only=True)
class TooManyLines(MarketError):
    """A checkout takes at most {limit} lines; divide it into several checkouts."""

    limit: int


@dataclass(eq=False, kw_only=True)
class CheckoutRejected(MarketError):
    """The checkout can't be placed as it is; mend every problem listed and ask again: {problems}"""

    problems: tuple[MarketError, ...]


@dataclass(eq=False, kw_only=True)
class QuoteExpired(MarketError):
    """The quote expired at {expired_at:%Y-%m-%d %H:%M:%S %Z}; ask for a new one."""

    expired_at: datetime


@dataclass(eq=False, kw_only=True)
class IdempotencyConflict(MarketError):
    """The idempotency key {key} was used with other input; use a new key for a new request."""

    key: str


@dataclass(eq=False, kw_only=True)
class IdempotencyInProgress(MarketError):
    """The request with the idempotency key {key} is still running; repeat it with the same key in a moment."""

    key: str


@dataclass(eq=False, kw_only=True)
class OutcomeUnknown(MarketError):
    """Whether this was done is not known yet; repeat it with the same idempotencyKey, which does it at most once.

    The database did not answer the commit. Most such transactions did commit, so it must not be reported as failed.
    """


@dataclass(eq=False, kw_only=True)
class Busy(MarketError):
    """Others are changing the same things at this moment, so nothing was done; repeat the request in a moment.

    The database waited for their row as long as it may.
    """


@dataclass(eq=False, kw_only=True)
class Overloaded(MarketError):
    """Too much is being done at once; repeat the request in a moment, a mutation with the same idempotencyKey."""


@dataclass(eq=False, kw_only=True)
class TookTooLong(MarketError):
    """This took longer than it may and was called off; ask for less, or repeat it when less is going on."""


@dataclass(eq=False, kw_only=True)
class Unavailable(MarketError):
    """The data can't be reached at present; repeat the request in a moment, a mutation with the same idempotencyKey."""


@dataclass(eq=False, kw_only=True)
class PaymentDeclined(MarketError):
    """The payment was declined ({reason}); pay by another means."""

    reason: str


@dataclass(eq=False, kw_only=True)
class PaymentNotPossible(MarketError):
    """The checkout can't be paid while it is {status}; look at it again before paying."""

    status: str


@dataclass(eq=False, kw_only=True)
class MerchantClosed(MarketError):
    """This merchant is closed: its books can be read, and nothing is done in them any more."""


@dataclass(eq=False, kw_only=True)
class MerchantRestoring(MarketError):
    """This merchant is being restored from a backup; try again in some minutes."""


@dataclass(eq=False, kw_only=True)
class MerchantQuarantined(MarketError):
    """This merchant was restored from a backup and lacks what came later; until that is mended, it can only be read."""


@dataclass(eq=False, kw_only=True)
class CashNotAccepted(MarketError):
    """Cash on delivery is not taken by {merchants}; pay by other means, or leave their goods out."""

    merchants: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class TendersMismatch(MarketError):
    """The tenders do not add up to what is due; give tenders that sum to it exactly, in its currency."""

    expected_minor: int
    given_minor: int
    currency: str


@dataclass(eq=False, kw_only=True)
class OrderTransitionRefused(MarketError):
    """An order that is {status} does not allow the act {act}; look at the order again and choose another."""

    status: str
    act: str


@dataclass(eq=False, kw_only=True)
class QuantityRefused(MarketError):
    """{asked} were asked for, but only {open} of this line are open; lower the quantity."""

    line_id: UUID
    asked: int
    open: int


@dataclass(eq=False, kw_only=True)
class RefundTooLarge(MarketError):
    """That is more than can still be refunded; ask for no more than what is left.

    What was refunded or charged back before is gone, whether the buyer has it already or not.
    """

    refundable_minor: int
    currency: str


@dataclass(eq=False, kw_only=True)
class RefundRefused(MarketError):
    """A refund that is {status} does not allow the act {act}; look at the refund again."""

    status: str
    act: str


@dataclass(eq=False, kw_only=True)
class SkuTaken(MarketError):
    """The SKU {sku} is in use already; choose another."""

    sku: str


@dataclass(eq=False, kw_only=True)
class ReferenceTaken(MarketError):
    """Something else has the external reference {external_ref} already; give it another, or take it from there."""

    external_ref: str


@dataclass(eq=False, kw_only=True)
class SlugTaken(MarketError):
    """The slug {slug} is in use already; choose another."""

    slug: str


@dataclass(eq=False, kw_only=True)
class StockRefused(MarketError):
    """A change by {change} would leave less than the {reserved} reserved of {on_hand} on hand; take away less.

    Stock never falls below what orders have reserved of it, nor below zero.
    """

    variant_id: UUID
    on_hand: int
    reserved: int
    change: int


@dataclass(eq=False, kw_only=True)
class ProductIncomplete(MarketError):
    """The product can't be published without: {missing}. Add them and publish again."""

    missing: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class PlanInvalid(MarketError):
    """The commission plan has mistakes; mend every one and propose it again: {problems}

    `problems` are pairs of a JSON path into the plan and the remedy there.
    """

    problems: tuple[tuple[str, str], ...]


@dataclass(eq=False, kw_only=True)
class RulesInvalid(MarketError):
    """The review rules have mistakes; mend every one and try again: {problems}

    `problems` are pairs of a JSON path into the rules and the remedy there.
    """

    problems: tuple[tuple[str, str], ...]


@dataclass(eq=False, kw_only=True)
class PlanMissing(MarketError):
    """No version of the plan {plan} is in force at {at:%Y-%m-%d %H:%M:%S %Z}; approve one that starts before."""

    plan: str
    at: datetime


@dataclass(eq=False, kw_only=True)
class PayoutRefused(MarketError):
    """A payout that is {status} does not allow the act {act}; look at the payout again."""

    status: str
    act: str


@dataclass(eq=False, kw_only=True)
class PayeeAccountRefused(MarketError):
    """A payee account that is {status} does not allow the act {act}; look at the account again."""

    status: str
    act: str


@dataclass(eq=False, kw_only=True)
class OwnAct(MarketError):
    """You opened or caused this; ask somebody else to decide."""


@dataclass(eq=False, kw_only=True)
class StatementDecided(MarketError):
    """The statement {number} is {status} already; what is to be corrected goes into the open period."""

    number: str
    status: str


@dataclass(eq=False, kw_only=True)
class SettlementRunning(MarketError):
    """A settlement run is under way since {since:%Y-%m-%d %H:%M:%S %Z}; wait until it is over, then run again."""

    since: datetime


@dataclass(eq=False, kw_only=True)
class BankFileInvalid(MarketError):
    """The file can't be taken: {reason} Nothing of it was used; ask its sender for a correct one.

    The reason is a whole sentence that says what is wrong and where in the file.
    """

    reason: str


@dataclass(eq=False, kw_only=True)
class BankLineDecided(MarketError):
    """The bank line is {status} already; look at it again."""

    status: str


@dataclass(eq=False, kw_only=True)
class CaseClosed(MarketError):
    """The case is {status} already; look at what was decided, or open another."""

    status: str


@dataclass(eq=False, kw_only=True)
class VotedAlready(MarketError):
    """You have approved this case already; it waits for somebody else."""


@dataclass(eq=False, kw_only=True)
class CouponUnknown(MarketError):
    """There is no coupon {coupon}; check how it is written, or leave it out.

    Coupons that have not begun, and those of merchants that the cart has nothing of, answer the same.
    """

    coupon: str


@dataclass(eq=False, kw_only=True)
class CouponNotApplicable(MarketError):
    """The coupon {coupon} can't be used here: {reason}"""

    coupon: str
    reason: str


@dataclass(eq=False, kw_only=True)
class CouponUsedUp(MarketError):
    """The coupon {coupon} has been used as often as it may be; leave it out."""

    coupon: str


@dataclass(eq=False, kw_only=True)
class TooManyCoupons(MarketError):
    """A checkout takes at most {limit} coupons; leave the others out."""

    limit: int


@dataclass(eq=False, kw_only=True)
class TotalChanged(MarketError):
    """The total is no longer the one that was shown; show the total of now and ask again.

    Discounts, taxes or shipping have changed since.
    """

    seen_minor: int
    now_minor: int
    currency: str


@dataclass(eq=False, kw_only=True)
class CouponCodeTaken(MarketError):
    """The coupon code {coupon} is in use already; choose another."""

    coupon: str


@dataclass(eq=False, kw_only=True)
class CouponEnded(MarketError):
    """The coupon {coupon} has ended, and an ended coupon stays so; create another."""

    coupon: str


@dataclass(eq=False, kw_only=True)
class ChargebackRefused(MarketError):
    """A chargeback that is {status} does not allow the act {act}; look at the chargeback again."""

    status: str
    act: str


@dataclass(eq=False, kw_only=True)
class ReturnTooLate(MarketError):
    """This could be returned until {until:%Y-%m-%d %H:%M:%S %Z}; ask the merchant for goodwill."""

    until: datetime


@dataclass(eq=False, kw_only=True)
class ReturnRefused(MarketError):
    """A return that is {status} does not allow the act {act}; look at the return again."""

    status: str
    act: str
