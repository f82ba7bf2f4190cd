"""Payee accounts: where a merchant is paid, added by its owner and verified by the platform. None shows its number."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.access import PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.enums import PayeeKind, PayeeStatus
from graphql_api.money import CurrencyCode
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page, take_id
from merchantry.domain.errors import (
    Busy,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    OwnAct,
    PayeeAccountRefused,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import payee, payee_review, winding_up
from merchantry.services.idempotency import Request, claim, fingerprint
from merchantry.services.payee_details import NewAccount
from tenancy.database import MerchantSession, PlatformSession, Transaction

Change = Callable[[MerchantSession, UUID], Awaitable[payee.PayeeAccount]]


@strawberry.type(description="An account that a merchant is paid to. Its number is never shown whole.")
class PayeeAccount(Node):
    id: strawberry.ID
    kind: PayeeKind
    currency: CurrencyCode
    shown: str = strawberry.field(description="The end of its number: •••• 3000.")
    status: PayeeStatus
    usable_from: datetime = strawberry.field(description="Before this moment nothing is paid to it, verified or not.")
    created_at: datetime
    flagged: str | None = strawberry.field(description="Why nothing is paid to it.")

    @staticmethod
    def of(merchant_id: UUID, found: payee.PayeeAccount) -> "PayeeAccount":
        """The account as people may see it."""
        return PayeeAccount(
            id=encode_id("PayeeAccount", merchant_id, found.id),
            kind=found.kind,
            currency=CurrencyCode(found.currency),
            shown=found.shown,
            status=found.status,
            usable_from=found.usable_from,
            created_at=found.created_at,
            flagged=found.flagged,
        )


@node("PayeeAccount", parts=2)
async def load_payee_account(info: Info, parts: Parts) -> PayeeAccount | None:
    """The account, for its merchant's staff and for the platform's who verify accounts."""
    context, (merchant_id, account_id) = info.context, parts
    selected = context.caller.merchant
    if selected and selected.id == merchant_id:
        actor = access.of_merchant(context, Permission.PAYEE_READ).act.actor
    else:
        actor = access.of_platform(context, Permission.PLATFORM_PAYEE_VERIFY).act.actor
    async with context.database.read(actor) as tx:
        async with tx.as_platform() as platform:
            await _require_merchant(platform, merchant_id)
        async with tx.as_merchant(merchant_id) as session:
            return PayeeAccount.of(merchant_id, await payee.account(session, account_id))


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[PayeeAccount]:
    """The selected merchant's accounts, retired ones too."""
    allowed = access.of_merchant(info.context, Permission.PAYEE_READ)
    asked = page("payeeAccounts", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await payee.accounts(session, asked.limit, (asked.after[0], asked.after[1]) if asked.after else None)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: PayeeAccount.of(allowed.merchant_id, each),
    )


async def in_use(tx: Transaction, merchant_id: UUID) -> list[PayeeAccount]:
    """A merchant's accounts in use, for the platform's people."""
    async with tx.as_merchant(merchant_id) as session:
        return [PayeeAccount.of(merchant_id, each) for each in await payee.current_accounts(session)]


async def _require_merchant(session: PlatformSession, merchant_id: UUID, path: tuple[str, ...] = ()) -> None:
    """An id may name a merchant that doesn't exist, and then there is no schema to look into. Raises NotFound."""
    if not await merchants.by_ids(session, [merchant_id]):
        raise NotFound(what="payee account", path=path)


@strawberry.input(description="An account to be. A bank's has an IBAN, or a number with BIC and country.")
class PayeeAccountAddInput:
    kind: PayeeKind
    currency: CurrencyCode
    holder: str = strawberry.field(description="Whose account it is, as the bank or provider knows them.")
    iban: str | None = None
    account_number: str | None = None
    bic: str | None = None
    country: str | None = strawberry.field(
        default=None, description="Where the account is, ISO 3166 alpha-2; an IBAN says it itself."
    )
    wallet_id: str | None = None
    idempotency_key: str


@strawberry.input(description="An account that somebody of the platform has made sure of.")
class PayeeAccountVerifyInput:
    payee_account_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="An account that nothing is to be paid to for now.")
class PayeeAccountFlagInput:
    payee_account_id: strawberry.ID
    reason: str = strawberry.field(description="The merchant reads it.")
    idempotency_key: str


@strawberry.input(description="A flagged account that turned out to be right.")
class PayeeAccountUnflagInput:
    payee_account_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="The account is in use for its currency; the platform verifies it before it is paid to.")
class PayeeAccountAdded:
    account: PayeeAccount


@strawberry.type(description="The account is paid to from usableFrom on.")
class PayeeAccountVerified:
    account: PayeeAccount


@strawberry.type(description="Nothing more is paid to the account.")
class PayeeAccountFlagged:
    account: PayeeAccount


@strawberry.type(description="The account is as good as it was before.")
class PayeeAccountUnflagged:
    account: PayeeAccount


KEYED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    *SHUT,
    IdempotencyConflict,
    IdempotencyInProgress,
]


@strawberry.type
class PayeeMutations:
    @mutation(problems=[NotPermitted, InvalidInput, UnknownCurrency, Busy, IdempotencyConflict, IdempotencyInProgress])
    async def payee_account_add(self, info: Info, input: PayeeAccountAddInput) -> PayeeAccountAdded:
        """Be paid to this account from now on, in place of the one before in its currency. Needs payee.write.

        Nothing is paid until the platform has verified it and, where it took another's place, three days have passed.
        """
        context, account_id, new = info.context, uuid4(), _new(input)
        allowed = access.of_merchant(context, Permission.PAYEE_WRITE)
        # A plain hash of an account's number gives it away to whoever tries them all: what is sealed is compared.
        request = Request(input.idempotency_key, "payeeAccountAdd", fingerprint("payeeAccountAdd", None))

        async def work(tx: Transaction) -> payee.PayeeAccount:
            merchant_id, act = allowed.merchant_id, allowed.act
            async with tx.as_merchant(merchant_id) as session:
                first = await claim(session, merchant_id, act, request, account_id)
            if first is None:
                return await payee_review.add_account(tx, merchant_id, context.vault, new, account_id, act)
            async with tx.as_merchant(merchant_id) as session:
                if not await payee.is_account(session, context.vault, first, new):
                    raise IdempotencyConflict(key=input.idempotency_key, path=("input", "idempotencyKey"))
                return await payee.account(session, first)

        added = await context.database.run(allowed.act.actor, work)
        return PayeeAccountAdded(account=PayeeAccount.of(allowed.merchant_id, added))

    @mutation(problems=[*KEYED, PayeeAccountRefused, OwnAct])
    async def payee_account_verify(self, info: Info, input: PayeeAccountVerifyInput) -> PayeeAccountVerified:
        """Say that the account is the merchant's; never by whoever added it. Needs platform.payee.verify."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYEE_VERIFY)
        request = access.request("payeeAccountVerify", input)
        changed = await _visit(
            info.context,
            allowed,
            input.payee_account_id,
            request,
            lambda session, account_id: payee.verify_account(session, account_id, allowed.act),
        )
        return PayeeAccountVerified(account=changed)

    @mutation(problems=[*KEYED, PayeeAccountRefused])
    async def payee_account_flag(self, info: Info, input: PayeeAccountFlagInput) -> PayeeAccountFlagged:
        """Stop payouts to the account until somebody has looked at it. Needs platform.payee.verify."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYEE_VERIFY)
        request = access.request("payeeAccountFlag", input)
        changed = await _visit(
            info.context,
            allowed,
            input.payee_account_id,
            request,
            lambda session, account_id: payee.flag_account(session, account_id, input.reason, allowed.act),
        )
        return PayeeAccountFlagged(account=changed)

    @mutation(problems=[*KEYED, PayeeAccountRefused, OwnAct])
    async def payee_account_unflag(self, info: Info, input: PayeeAccountUnflagInput) -> PayeeAccountUnflagged:
        """Let the account be paid to as before; never by whoever added it. Needs platform.payee.verify."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYEE_VERIFY)
        request = access.request("payeeAccountUnflag", input)
        changed = await _visit(
            info.context,
            allowed,
            input.payee_account_id,
            request,
            lambda session, account_id: payee.unflag_account(session, account_id, allowed.act),
        )
        return PayeeAccountUnflagged(account=changed)


def _new(given: PayeeAccountAddInput) -> NewAccount:
    return NewAccount(
        kind=given.kind,
        currency=given.currency,
        holder=given.holder,
        iban=given.iban,
        account_number=given.account_number,
        bic=given.bic,
        country=given.country,
        wallet_id=given.wallet_id,
    )


async def _visit(
    context: Context, allowed: PlatformAccess, id: strawberry.ID, request: Request, change: Change
) -> PayeeAccount:
    """The platform changes an account in its merchant's schema, once for each key."""
    path = ("input", "payeeAccountId")
    merchant_id, account_id = take_id(context, id, "PayeeAccount", 2, path)

    async def work(tx: Transaction) -> payee.PayeeAccount:
        async with tx.as_platform() as platform:
            await _require_merchant(platform, merchant_id, path)
            await winding_up.refuse_closed(platform, merchant_id)
        async with tx.as_merchant(merchant_id) as session:
            if await claim(session, merchant_id, allowed.act, request, account_id):
                return await payee.account(session, account_id)
            changed = await change(session, account_id)
        await payee_review.end_cases(tx, merchant_id, allowed.act)
        return changed

    return PayeeAccount.of(merchant_id, await context.database.run(allowed.act.actor, work))
