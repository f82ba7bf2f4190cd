"""The client that ariadne-codegen makes of python/queries.graphql."""

import asyncio
import os
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "generated"))
from mall_client import Client, StockAdjustInput

URL = os.environ["MALL_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['MALL_TOKEN']}", "X-Merchant": os.environ["MALL_MERCHANT"]}


async def main() -> None:
    async with Client(url=URL, headers=HEADERS) as client:
        asked = await client.generated_orders(first=2)
        nodes = asked.merchant.orders.nodes if asked.merchant else []
        if len(nodes) != 2 or not isinstance(nodes[0].total.amount, Decimal):
            raise SystemExit("  failed  a typed query")
        print("  ok  a typed query")
        given = StockAdjustInput(variantId="unknown", change=1, idempotencyKey="conformance")
        refused = await client.generated_adjust(input=given)
        if refused.stock_adjust.typename__ != "NotFound":
            raise SystemExit("  failed  a mutation answers a problem")
        print("  ok  a mutation answers a problem")


asyncio.run(main())
