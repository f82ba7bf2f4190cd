"""Documents that tests send, and the steps of a sale made of them."""

from typing import Any
from uuid import uuid4

from graphql_api.relay import encode_id
from merchantry.services.catalogue import Product
from tenancy.principals import Merchant
from tests.graphql_api.mall import Mall

ADDRESS = {"name": "Ana", "street": "Rua A 1", "city": "Recife", "postalCode": "50000-000", "country": "BR"}

PROBLEM = "... on Problem { code message path }"

PLACE = f"""
mutation Place($input: CheckoutPlaceInput!) {{
  checkoutPlace(input: $input) {{
    __typename
    ... on CheckoutPlaced {{
      checkout {{
        id status total {{ amount currency }} goods {{ amount }} shipping {{ amount }}
        orders {{
          id number status total {{ amount }} merchantName lines {{ id sku title quantity goods {{ amount }} }}
        }}
      }}
    }}
    ... on CheckoutRejected {{
      problems {{
        __typename {PROBLEM} ... on OutOfStock {{ available variantId }} ... on PriceChanged {{ now {{ amount }} }}
      }}
    }}
    {PROBLEM}
  }}
}}
"""

PAY = f"""
mutation Pay($input: CheckoutPayInput!) {{
  checkoutPay(input: $input) {{
    __typename
    ... on CheckoutPaid {{ payment {{ id status actionUrl }} checkout {{ id status orders {{ id status }} }} }}
    ... on CheckoutPayNeedsAction {{
      payment {{ id status actionUrl }} action {{ kind url qrPayload expiresAt }} expiresAt
      checkout {{ id status orders {{ id status }} }}
    }}
    {PROBLEM}
  }}
}}
"""

SHIP = f"""
mutation Ship($input: OrderShipInput!) {{
  orderShip(input: $input) {{
    __typename
    ... on OrderShipped {{
      order {{ id status shipments {{ id carrier lines {{ lineId quantity }} }} lines {{ id shippedQuantity }} }}
    }}
    {PROBLEM}
  }}
}}
"""

CONFIRM = f"""
mutation Confirm($input: OrderConfirmReceiptInput!) {{
  orderConfirmReceipt(input: $input) {{ __typename ... on OrderReceiptConfirmed {{ order {{ status }} }} {PROBLEM} }}
}}
"""

CANCEL = f"""
mutation Cancel($input: OrderCancelInput!) {{
  orderCancel(input: $input) {{
    __typename ... on OrderCancelled {{ order {{ status refunds {{ status amount {{ amount }} }} }} }} {PROBLEM}
  }}
}}
"""


REFUND = f"""
mutation Refund($input: RefundCreateInput!) {{
  refundCreate(input: $input) {{
    __typename
    ... on RefundCreated {{
      approvalCaseId
      refund {{
        id status kind amount {{ amount }} restocked lines {{ lineId quantity goods {{ amount }} }}
        parties {{ merchant {{ amount }} commission {{ amount }} }}
      }}
    }}
    ... on RefundTooLarge {{ refundable {{ amount currency }} }}
    {PROBLEM}
  }}
}}
"""


def a_line(merchant: Merchant, product: Product, quantity: int = 1, price: str = "100.00", variant: int = 0) -> Any:
    """A line of a cart in BRL."""
    variant_id = encode_id("Variant", merchant.id, product.variants[variant].id)
    return {"variantId": variant_id, "quantity": quantity, "price": {"amount": price, "currency": "BRL"}}


def a_cart(*lines: Any, **more: Any) -> dict[str, Any]:
    """A cart in BRL."""
    return {"currency": "BRL", "lines": list(lines), "shipTo": ADDRESS, **more}


async def place(mall: Mall, who: str, *lines: Any, key: str | None = None) -> dict[str, Any]:
    """Place a cart; whatever ``checkoutPlace`` answers."""
    given = {"idempotencyKey": key or str(uuid4()), "cart": a_cart(*lines)}
    found: dict[str, Any] = (await mall.ask(PLACE, {"input": given}, who=who)).data["checkoutPlace"]
    return found


async def pay(
    mall: Mall, who: str, checkout: dict[str, Any], method: str = "sandbox_approve", key: str | None = None
) -> dict[str, Any]:
    """Pay a checkout in one tender; whatever ``checkoutPay`` answers."""
    given = {
        "checkoutId": checkout["id"],
        "tenders": [{"method": method, "amount": checkout["total"]}],
        "idempotencyKey": key or str(uuid4()),
    }
    found: dict[str, Any] = (await mall.ask(PAY, {"input": given}, who=who)).data["checkoutPay"]
    return found


async def buy(mall: Mall, who: str, *lines: Any) -> dict[str, Any]:
    """Place and pay; the checkout as it was placed."""
    placed = await place(mall, who, *lines)
    assert placed["__typename"] == "CheckoutPlaced", placed
    paid = await pay(mall, who, placed["checkout"])
    assert paid["__typename"] == "CheckoutPaid", paid
    checkout: dict[str, Any] = placed["checkout"]
    return checkout


async def ship(mall: Mall, who: str, merchant: Merchant, order_id: str, **more: Any) -> dict[str, Any]:
    """Ship an order (all that is left unless ``lines`` say otherwise); whatever ``orderShip`` answers."""
    given = {
        "orderId": order_id,
        "carrier": "Correios",
        "trackingNumber": "BR123",
        "idempotencyKey": str(uuid4()),
        **more,
    }
    found: dict[str, Any] = (await mall.ask(SHIP, {"input": given}, who=who, merchant=merchant.slug)).data["orderShip"]
    return found


async def confirm(mall: Mall, who: str, order_id: str) -> dict[str, Any]:
    """The buyer confirms receipt; whatever ``orderConfirmReceipt`` answers."""
    given = {"orderId": order_id, "idempotencyKey": str(uuid4())}
    found: dict[str, Any] = (await mall.ask(CONFIRM, {"input": given}, who=who)).data["orderConfirmReceipt"]
    return found


async def refund(mall: Mall, who: str, merchant: Merchant | None, **given: Any) -> dict[str, Any]:
    """Refund an order, as staff of a merchant or of the platform; whatever ``refundCreate`` answers."""
    sent = {"idempotencyKey": str(uuid4()), "reason": "late", **given}
    slug = merchant.slug if merchant else None
    found: dict[str, Any] = (await mall.ask(REFUND, {"input": sent}, who=who, merchant=slug)).data["refundCreate"]
    return found
