"""The public log: heads and proofs, for everybody; and how far an entry has come in it, for those whom it concerns."""

import base64
import re
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.relay import take_id
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.note import Note
from merchantry.domain.receipt import Receipt as EntryReceipt
from merchantry.services import buyer_index, ledger, log, receipt
from merchantry.services.receipt import LogStatus as Status
from tenancy.database import PublicSession

ACTOR = "public:log"
MOST_ENTRIES = 100
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@strawberry.enum(description="How far an entry has come in the public log.")
class LogStatus(Enum):
    QUEUED = strawberry.enum_value(Status.QUEUED.value, description="Written; it has no place in the log yet.")
    SIGNED = strawberry.enum_value(Status.SIGNED.value, description="The log has signed a head that covers it.")
    CONFIRMED = strawberry.enum_value(Status.CONFIRMED.value, description="Enough witnesses have cosigned such a head.")


@strawberry.type(description="A signed head of the public log.")
class Checkpoint:
    size: str = strawberry.field(description="How many leaves the log has.")
    root: str = strawberry.field(description="The root over them (RFC 6962), in Base64.")
    note: str = strawberry.field(description="The signed note (C2SP tlog-checkpoint), with witnesses' cosignatures.")
    signed_at: datetime
    confirmed: bool = strawberry.field(description="Whether enough witnesses have cosigned this head or a later one.")
    witnesses: list[str] = strawberry.field(description="Names of the witnesses that have cosigned this very head.")


@strawberry.type(description="What shows, without us, that an entry is in the public log. Keep it as a file.")
class Receipt:
    leaf_index: str = strawberry.field(description="The place of its leaf.")
    inclusion_proof: list[str] = strawberry.field(description="The audit path (RFC 6962, section 2.1.1), in Base64.")
    checkpoint: str = strawberry.field(description="The signed head that the proof leads to.")
    document: strawberry.scalars.JSON = strawberry.field(
        description="The whole receipt as it is checked offline: `merchantry verify receipt`."
    )

    @staticmethod
    def of(found: EntryReceipt) -> "Receipt":
        """The receipt as the API shows it."""
        document = found.document()
        return Receipt(
            leaf_index=document["leaf_index"],
            inclusion_proof=document["inclusion_proof"],
            checkpoint=document["checkpoint"],
            document=cast(Any, document),
        )


Size = Annotated[str, strawberry.argument(description="A number of leaves, in decimal digits.")]


@strawberry.type(description="The public log of every entry of every merchant, which shows nothing of them.")
class TransparencyLog:
    origin: str | None = strawberry.field(description="The log's name; null before its first head.")
    keys: list[str] = strawberry.field(description="Keys that it signs with or has signed with, oldest first (vkey).")

    @strawberry.field
    async def checkpoint(
        self,
        info: Info,
        size: Annotated[
            str | None, strawberry.argument(description="The first head with at least so many leaves; the newest.")
        ] = None,
    ) -> Checkpoint | None:
        """A signed head: the newest, or the first that has at least so many leaves. Null where there is none."""
        at_least = None if size is None else number(size, "size")
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            found = await log.head(session, at_least)
            return None if found is None else await _checkpoint(session, found)

    @strawberry.field
    async def inclusion_proof(
        self,
        info: Info,
        index: Annotated[str, strawberry.argument(description="The leaf's place, from 0, in decimal digits.")],
        size: Size,
    ) -> list[str]:
        """The audit path of a leaf in the tree of so many leaves (RFC 6962, section 2.1.1), in Base64."""
        leaf, leaves = number(index, "index"), number(size, "size")
        if leaf >= leaves:
            raise InvalidInput(reason="The index is below the size.", path=("index",))
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            await _check_size(session, leaves, "size")
            return _texts(await log.inclusion(session, leaf, leaves))

    @strawberry.field
    async def consistency_proof(
        self,
        info: Info,
        old: Annotated[str, strawberry.argument(description="The smaller number of leaves, in decimal digits.")],
        new: Annotated[str, strawberry.argument(description="The greater number of leaves, in decimal digits.")],
    ) -> list[str]:
        """The proof that one tree begins with another (RFC 6962, section 2.1.2), in Base64."""
        before, after = number(old, "old"), number(new, "new")
        if before > after:
            raise InvalidInput(reason="The old size is not above the new one.", path=("old",))
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            await _check_size(session, after, "new")
            return _texts(await log.consistency(session, before, after))


async def transparency_log(info: Info) -> TransparencyLog:
    """The log's name and keys."""
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        return TransparencyLog(origin=await log.origin(session), keys=await log.verifiers(session))


async def of_buyer(info: Info, order_id: strawberry.ID) -> list[Receipt]:
    """Receipts of what an order's entries say to its buyer. Raises NotFound where the order is not the viewer's."""
    buyer = access.of_buyer(info.context)
    merchant_id, order = take_id(info.context, order_id, "Order", 2, ("orderId",))
    database = info.context.database
    async with database.read(buyer.act.actor) as tx:
        async with tx.as_platform() as platform:
            if not await buyer_index.of_orders(platform, buyer.account_id, [order]):
                raise NotFound(what="order", path=("orderId",))
        async with tx.as_merchant(merchant_id) as session:
            entries = (await ledger.entries_of(session, order))[:MOST_ENTRIES]
            known = await receipt.places(session, [each.seq for each in entries])
        async with tx.as_public() as public:
            made = await receipt.receipts(public, merchant_id, entries, known, for_buyer=True)
    return [Receipt.of(made[seq]) for seq in sorted(made)]


async def _checkpoint(session: PublicSession, found: log.Head) -> Checkpoint:
    name = await log.origin(session) or ""
    cosignatures = await log.cosignatures(session, found.size)
    note: Note = found.note(name).signed(cosignatures)
    return Checkpoint(
        size=str(found.size),
        root=base64.b64encode(found.root).decode(),
        note=str(note),
        signed_at=found.signed_at,
        confirmed=found.size <= (await log.confirmed_size(session) or 0),
        witnesses=[each.name for each in cosignatures],
    )


async def _check_size(session: PublicSession, size: int, argument: str) -> None:
    newest = await log.head(session)
    if newest is None or size > newest.size:
        raise NotFound(what="tree of so many leaves", path=(argument,))


def number(text: str, argument: str) -> int:
    """A number that an argument gives as text. Raises InvalidInput."""
    if not _SIZE.fullmatch(text):
        raise InvalidInput(reason="Give a number in decimal digits, such as 42.", path=(argument,))
    return int(text)


def _texts(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]
