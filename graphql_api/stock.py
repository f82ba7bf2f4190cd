"""Stock of many variants at once, as an ERP counts it."""

from typing import Annotated
from uuid import uuid4

import strawberry

from graphql_api import access
from graphql_api.bulk import RowRefused
from graphql_api.context import Info
from graphql_api.enums import StockMode
from graphql_api.problems import mutation
from graphql_api.product import run
from graphql_api.relay import encode_id, parse_id
from merchantry.domain.errors import IdempotencyConflict, IdempotencyInProgress, InvalidInput, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.services import stock
from merchantry.services.bulk import Refused
from merchantry.services.idempotency import claim
from merchantry.services.stock import Outcome, StockRow
from merchantry.tables.platform import NOBODY
from tenancy.database import MerchantSession


@strawberry.input(description="The stock of one variant, named by its id, its SKU or its external reference.")
class StockRowInput:
    variant_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")
    sku: str | None = strawberry.field(default=None, description="Its SKU.")
    external_ref: str | None = strawberry.field(default=None, description="What the merchant's own system calls it.")
    quantity: int = strawberry.field(description="Pieces on hand, or those that came in or (negative) are gone.")
    mode: StockMode = strawberry.field(default=StockMode.SET, description="What the quantity says.")


@strawberry.input(description="Stocks as they were counted, or as they changed.")
class StockSetManyInput:
    rows: list[StockRowInput] = strawberry.field(description="1 to 5,000, done one after the other.")
    idempotency_key: str = strawberry.field(description="Repeated with the same rows, nothing is done again.")


@strawberry.type(description="A stock as it is after the row.")
class StockCounted:
    row: int = strawberry.field(description="Its place among the rows, from 0.")
    variant_id: strawberry.ID
    sku: str
    on_hand: int
    reserved: int
    available: int = strawberry.field(description="Pieces that can be sold.")


StockRowResult = Annotated[
    StockCounted | RowRefused, strawberry.union("StockRowResult", description="What one row came to.")
]


@strawberry.type(description="Every row was looked at; those that were not refused are done.")
class StocksSet:
    results: list[StockRowResult] = strawberry.field(description="One for each row, in their order: at most 5,000.")
    refused: int = strawberry.field(description="How many rows did nothing.")


@strawberry.type
class StockMutations:
    @mutation(problems=[InvalidInput, NotPermitted, IdempotencyConflict, IdempotencyInProgress])
    async def stock_set_many(self, info: Info, input: StockSetManyInput) -> StocksSet:
        """Set or adjust the stock of many variants; what is reserved stays. A bad row hinders no other."""
        allowed = access.of_merchant(info.context, Permission.STOCK_WRITE)
        request, batch_id = access.request("stockSetMany", input), uuid4()
        rows = [_row(each, allowed) for each in input.rows]

        async def work(session: MerchantSession) -> list[Outcome]:
            if first := await claim(session, allowed.merchant_id, allowed.act, request, batch_id):
                return await stock.set_before(session, rows, first)
            return await stock.set_many(session, rows, batch_id, allowed.act)

        outcomes = await run(info.context, allowed, work)
        results = [_result(at, each, allowed) for at, each in enumerate(outcomes)]
        return StocksSet(results=results, refused=sum(isinstance(each, RowRefused) for each in results))


def _row(given: StockRowInput, allowed: access.MerchantAccess) -> StockRow:
    """What names another merchant's variant, or nothing, is a row that finds nothing."""
    variant_id = None
    if given.variant_id is not None:
        kind, keys = parse_id(given.variant_id) or ("", ())
        is_own = kind == "Variant" and len(keys) == 2 and keys[0] == allowed.merchant_id
        variant_id = keys[1] if is_own else NOBODY
    return StockRow(given.quantity, given.mode, variant_id, given.sku, given.external_ref)


def _result(row: int, outcome: Outcome, allowed: access.MerchantAccess) -> StockRowResult:
    if isinstance(outcome, Refused):
        return RowRefused.of(row, outcome)
    held = outcome.stock
    return StockCounted(
        row=row,
        variant_id=encode_id("Variant", allowed.merchant_id, held.variant_id),
        sku=outcome.sku,
        on_hand=held.on_hand,
        reserved=held.reserved,
        available=held.on_hand - held.reserved,
    )
