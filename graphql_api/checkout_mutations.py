"""Buying: quote a cart, place it as a checkout, pay that or give it up."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import strawberry
import structlog
from sqlalchemy.exc import SQLAlchemyError

from graphql_api import access
from graphql_api.cart import CartInput, cart_of, remember
from graphql_api.checkout import ANSWERED, Checkout, Payment, PaymentAction, find_checkout
from graphql_api.contacts import FIELDS
from graphql_api.context import Context, Info
from graphql_api.enums import Language
from graphql_api.money import MoneyInput
from graphql_api.order_loading import parts_wanted
from graphql_api.problems import mutation
from graphql_api.quote import CheckoutQuoted
from graphql_api.reader import language_of_texts
from graphql_api.relay import take_id
from graphql_api.selection import wanted
from merchantry.domain.act import Act
from merchantry.domain.checkout import Cart
from merchantry.domain.contact import WITHHELD, Contact, ContactStatus
from merchantry.domain.errors import (
    CashNotAccepted,
    CheckoutRejected,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MixedCurrencies,
    NotFound,
    PaymentDeclined,
    PaymentNotPossible,
    PlanMissing,
    QuoteExpired,
    TendersMismatch,
    UnknownCurrency,
)
from merchantry.gateways.payment import Charge, Tender, asked
from merchantry.services import cash, checkout, coupon_use, payment, tracking
from merchantry.services import guest as guests
from merchantry.services import quote as quotes
from merchantry.services.checkout import Made
from merchantry.services.idempotency import Request, claim
from merchantry.services.order_view import OrderView
from merchantry.services.payment import Settled
from merchantry.services.quote import Quote
from merchantry.tables.platform import NOBODY
from tenancy.database import CommitUnknown, Transaction

log = structlog.get_logger()


@strawberry.input(description="A cart to price.")
class CheckoutQuoteInput:
    cart: CartInput
    language: Language | None = strawberry.field(
        default=None, description="Of the goods' titles; else what the buyer chose, else the request's Accept-Language."
    )


@strawberry.input(description="A quote, or a cart with the prices seen, to place; one of the two.")
class CheckoutPlaceInput:
    idempotency_key: str
    quote_id: strawberry.ID | None = None
    cart: CartInput | None = None


@strawberry.input(description="One means of payment and its part of the amount.")
class TenderInput:
    method: str = strawberry.field(
        description="In the sandbox: sandbox_approve, sandbox_decline, sandbox_redirect, sandbox_qr or sandbox_delay."
        " Or cash_on_delivery alone, where every merchant of the checkout takes cash."
    )
    amount: MoneyInput


@strawberry.input(description="How to pay a checkout.")
class CheckoutPayInput:
    checkout_id: strawberry.ID
    tenders: list[TenderInput]
    idempotency_key: str


@strawberry.input(description="An unpaid checkout is given up.")
class CheckoutCancelInput:
    checkout_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="One order for each merchant was placed and its stock reserved; it is to be paid.")
class CheckoutPlaced:
    checkout: Checkout


@strawberry.type(description="The payment was taken on; its status says whether it is captured yet.")
class CheckoutPaid:
    checkout: Checkout
    payment: Payment


@strawberry.type(
    description="The buyer has to do something at the provider before the payment is captured. The goods stay reserved"
    " meanwhile; ask for the payment again, or repeat the mutation with its key, to see what became of it."
)
class CheckoutPayNeedsAction:
    checkout: Checkout
    payment: Payment
    action: PaymentAction
    expires_at: datetime = strawberry.field(description="When it is too late: the action's end, or the checkout's.")


@strawberry.type(description="Every order of the checkout is cancelled and its stock free again.")
class CheckoutCancelled:
    checkout: Checkout


@strawberry.type
class CheckoutMutations:
    @mutation(problems=[CheckoutRejected, InvalidInput])
    async def checkout_quote(self, info: Info, input: CheckoutQuoteInput) -> CheckoutQuoted:
        """Price a cart: lines of any merchants, shipping, discounts, tax and total. Nothing is reserved."""
        buyer = access.of_buyer(info.context)
        cart = cart_of(info.context, input.cart, ("input", "cart"))

        async def work(tx: Transaction) -> Quote:
            return await quotes.quote(tx, cart, buyer.account_id, buyer.act, vault=info.context.vault)

        language = await language_of_texts(info.context, input.language)
        return CheckoutQuoted.of(await info.context.database.run(buyer.act.actor, work), language)

    @mutation(
        problems=[CheckoutRejected, QuoteExpired, NotFound, InvalidInput, IdempotencyConflict, IdempotencyInProgress]
    )
    async def checkout_place(self, info: Info, input: CheckoutPlaceInput) -> CheckoutPlaced:
        """Split a cart into one order per merchant and reserve the stock, all or nothing."""
        context = info.context
        buyer = access.of_buyer(context)
        if (input.quote_id is None) == (input.cart is None):
            raise InvalidInput(reason="Give either quoteId or cart.", path=("input",))
        given = cart_of(context, input.cart, ("input", "cart")) if input.cart else None
        path = ("input", "quoteId")
        quote_id = take_id(context, input.quote_id, "Quote", 1, path)[0] if input.quote_id else None
        request, checkout_id = access.request("checkoutPlace", input), uuid4()

        async def work(tx: Transaction) -> UUID | tuple[Made, Cart]:
            async with tx.as_platform() as session:
                first = await claim(session, NOBODY, buyer.act, request, checkout_id)
                if first:
                    return first
                cart = given or await quotes.quoted(
                    session, quote_id or NOBODY, buyer.account_id, buyer.act.at, vault=context.vault
                )
                if quote_id and await claim(session, NOBODY, buyer.act, access.once("quote", quote_id), checkout_id):
                    reason = "This quote was placed already; see your checkouts, or ask for a new quote."
                    raise InvalidInput(reason=reason, path=path)
                if guest := context.caller.principal.guest:
                    await guests.take(session, guest.id, checkout_id, buyer.act.at + context.guest_lasts)
            remember(context, cart)
            return await checkout.make(tx, cart, checkout_id, buyer.account_id, buyer.act, vault=context.vault), cart

        placed = await context.database.run(buyer.act.actor, work)
        if isinstance(placed, UUID):  # the same request again: how the checkout stands now
            return CheckoutPlaced(checkout=await find_checkout(context, placed, parts_wanted(info, ANSWERED)))
        return CheckoutPlaced(checkout=_as_placed(*placed, buyer.act))

    @mutation(
        problems=[
            NotFound,
            PaymentDeclined,
            PaymentNotPossible,
            CashNotAccepted,
            TendersMismatch,
            InvalidInput,
            UnknownCurrency,
            MixedCurrencies,
            PlanMissing,
            IdempotencyConflict,
            IdempotencyInProgress,
        ]
    )
    async def checkout_pay(self, info: Info, input: CheckoutPayInput) -> CheckoutPaid | CheckoutPayNeedsAction:
        """Pay a checkout in one or several tenders. Repeated with its key, it answers how the payment stands now."""
        context = info.context
        buyer = access.of_buyer(context)
        (checkout_id,) = take_id(context, input.checkout_id, "Checkout", 1, ("input", "checkoutId"))
        tenders = [
            Tender(each.method, each.amount.to_minor("input", "tenders", position, "amount"))
            for position, each in enumerate(input.tenders)
        ]
        currencies = {each.amount.currency for each in input.tenders}
        request, payment_id = access.request("checkoutPay", input), uuid4()

        async def begin(tx: Transaction) -> tuple[payment.Payment | None, Charge | None]:
            if cash.is_asked(tenders):
                return await _at_the_door(tx, request, checkout_id, buyer, tenders, currencies, payment_id), None
            return await payment.begin_once(
                tx,
                checkout_id,
                buyer.account_id,
                tenders,
                currencies=currencies,
                payment_id=payment_id,
                gateway=context.gateway,
                request=request,
                act=buyer.act,
            )

        begun, charge = await context.database.run(buyer.act.actor, begin)
        settled = await _charge(context, buyer, charge) if charge else None
        paid = settled.payment if isinstance(settled, Settled) else settled or begun
        if paid is None:
            raise NotFound(what="payment")
        if paid.status == "failed":
            raise PaymentDeclined(reason=paid.failure or "declined", path=("input", "tenders"))
        if paid.status == "expired":
            raise PaymentNotPossible(status="expired", path=("input", "checkoutId"))
        if isinstance(settled, Settled) and settled.orders and _is_known(info):
            shown = _as_paid(settled)
        else:
            shown = await find_checkout(context, checkout_id, parts_wanted(info, ANSWERED))
        if action := PaymentAction.of(paid):
            ends_at = min(filter(None, (action.expires_at, shown.expires_at)))
            return CheckoutPayNeedsAction(checkout=shown, payment=Payment.of(paid), action=action, expires_at=ends_at)
        return CheckoutPaid(checkout=shown, payment=Payment.of(paid))

    @mutation(problems=[NotFound, PaymentNotPossible, InvalidInput, IdempotencyConflict, IdempotencyInProgress])
    async def checkout_cancel(self, info: Info, input: CheckoutCancelInput) -> CheckoutCancelled:
        """Give up a checkout that is not paid; its stock is free again at once."""
        context = info.context
        buyer = access.of_buyer(context)
        (checkout_id,) = take_id(context, input.checkout_id, "Checkout", 1, ("input", "checkoutId"))
        request = access.request("checkoutCancel", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                if await claim(session, NOBODY, buyer.act, request, checkout_id):
                    return
            await checkout.cancel(tx, checkout_id, buyer.account_id, buyer.act)

        await context.database.run(buyer.act.actor, work)
        return CheckoutCancelled(checkout=await find_checkout(context, checkout_id, parts_wanted(info, ANSWERED)))


async def _at_the_door(
    tx: Transaction,
    request: Request,
    checkout_id: UUID,
    buyer: access.BuyerAccess,
    tenders: Sequence[Tender],
    currencies: Collection[str],
    payment_id: UUID,
) -> payment.Payment:
    """Cash on delivery: nobody is asked, so it is settled at once."""
    async with tx.as_platform() as session:
        if first := await claim(session, NOBODY, buyer.act, request, payment_id):
            return await payment.find(session, first)
    return await cash.pay(
        tx, checkout_id, buyer.account_id, tenders, currencies=currencies, payment_id=payment_id, act=buyer.act
    )


async def _charge(context: Context, buyer: access.BuyerAccess, charge: Charge) -> payment.Payment | Settled:
    """Ask the provider, outside any transaction, and write what it answered. No answer is no refusal."""
    outcome = await asked(context.gateway.charge(charge))
    now = context.clock()
    act = Act(buyer.act.actor, now, now)
    try:
        return await context.database.run(act.actor, lambda tx: payment.settled(tx, charge.key, outcome, act))
    except (SQLAlchemyError, CommitUnknown) as error:  # the provider has answered: the worker asks it again and books
        log.warning("payment.not_settled", payment=str(charge.key), error=type(error).__name__)
    async with context.database.read(act.actor) as tx, tx.as_platform() as session:
        return await payment.find(session, charge.key)


def _as_placed(made: Made, cart: Cart, act: Act) -> Checkout:
    """The checkout as its transaction wrote it: nothing is read back."""
    views = [tracking.as_placed(each.part.shop.merchant_id, each.order, act) for each in made.placed]
    coupons = [
        coupon_use.UsedCoupon(each.coupon.code, each.coupon.title, each.discount_minor)
        for each in sorted(made.coupons, key=lambda each: each.coupon.code)
    ]
    contact = Contact(ContactStatus.SHOWN, cart.ship_to.document())
    return Checkout.of(made.checkout, views, [], coupons, contact)


def _as_paid(settled: Settled) -> Checkout:
    """The checkout as it was captured, where nothing is selected that :func:`_is_known` excludes."""
    views = [OrderView(merchant_id, order) for merchant_id, order in settled.orders]
    return Checkout.of(settled.checkout, views, [settled.payment], [], WITHHELD)


def _is_known(info: Info) -> bool:
    """Whether a mutation that captured the orders of a checkout knows all that is selected of it. It hasn't read what
    came before: other attempts to pay, coupons, what had happened to the orders, and where they go."""
    before = wanted(info, "checkout").isdisjoint({"payments", "coupons"}) and not parts_wanted(info, ANSWERED).events
    return before and FIELDS.isdisjoint(info.context.asked.fields)
