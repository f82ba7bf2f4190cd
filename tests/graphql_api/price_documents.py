"""Documents about coupons and sales tax that tests send."""

from typing import Any
from uuid import uuid4

from graphql_api.relay import encode_id
from tenancy.principals import Merchant
from tests.graphql_api.documents import ADDRESS, PROBLEM, a_cart
from tests.graphql_api.mall import Mall

LINE = "discount { amount } tax { rateBps jurisdiction inclusive amount { amount } }"
SUMS = "goods { amount } shipping { amount } discount { amount } addedTax { amount } total { amount currency }"
COUPONS = "coupons { code title discount { amount } }"
REJECTED = f"""
... on CheckoutRejected {{
  problems {{
    __typename {PROBLEM}
    ... on CouponNotApplicable {{ coupon reason }}
    ... on TotalChanged {{ seen {{ amount }} now {{ amount }} }}
  }}
}}
"""

QUOTE = f"""
mutation Quote($input: CheckoutQuoteInput!) {{
  checkoutQuote(input: $input) {{
    __typename
    ... on CheckoutQuoted {{
      quoteId {SUMS} {COUPONS} parts {{ merchantName {SUMS} lines {{ sku goods {{ amount }} {LINE} }} }}
    }}
    {REJECTED}
    {PROBLEM}
  }}
}}
"""

PLACE = f"""
mutation Place($input: CheckoutPlaceInput!) {{
  checkoutPlace(input: $input) {{
    __typename
    ... on CheckoutPlaced {{
      checkout {{
        id status {SUMS} {COUPONS} orders {{ id number merchantName {SUMS} lines {{ sku goods {{ amount }} {LINE} }} }}
      }}
    }}
    {REJECTED}
    {PROBLEM}
  }}
}}
"""

COUPON = """
id code status kind percentBps amounts { amount } merchantShareBps merchants categories products uses mostUses
"""


async def create_coupon(mall: Mall, who: str, merchant: Merchant, code: str, **more: Any) -> dict[str, Any]:
    """A merchant's coupon; whatever ``couponCreate`` answers."""
    document = f"""mutation ($input: CouponCreateInput!) {{
      couponCreate(input: $input) {{ __typename ... on CouponCreated {{ coupon {{ {COUPON} }} }} {PROBLEM} }} }}"""
    given = {"code": code, "title": code.title(), "idempotencyKey": str(uuid4()), **more}
    found: dict[str, Any] = (await mall.ask(document, {"input": given}, who=who, merchant=merchant.slug)).data[
        "couponCreate"
    ]
    return found


async def create_platform_coupon(mall: Mall, who: str, code: str, **more: Any) -> dict[str, Any]:
    """The platform's coupon; whatever ``platformCouponCreate`` answers."""
    document = f"""mutation ($input: PlatformCouponCreateInput!) {{
      platformCouponCreate(input: $input) {{
        __typename ... on PlatformCouponCreated {{ coupon {{ {COUPON} }} }} {PROBLEM} }} }}"""
    given = {"code": code, "title": code.title(), "idempotencyKey": str(uuid4()), **more}
    found: dict[str, Any] = (await mall.ask(document, {"input": given}, who=who)).data["platformCouponCreate"]
    return found


async def change_coupon(mall: Mall, who: str, what: str, coupon_id: str, merchant: str | None = None) -> dict[str, Any]:
    """``couponPause``, ``couponResume`` or ``couponEnd``; whatever it answers."""
    kind = f"C{what[1:]}Input"
    shown = " ".join(f"... on {name} {{ coupon {{ {COUPON} }} }}" for name in [CHANGED[what]])
    document = f"mutation ($i: {kind}!) {{ {what}(input: $i) {{ __typename {shown} {PROBLEM} }} }}"
    given = {"couponId": coupon_id, "idempotencyKey": str(uuid4())}
    found: dict[str, Any] = (await mall.ask(document, {"i": given}, who=who, merchant=merchant)).data[what]
    return found


CHANGED = {"couponPause": "CouponPaused", "couponResume": "CouponResumed", "couponEnd": "CouponWasEnded"}


async def set_tax(mall: Mall, who: str, country: str, rate_bps: int, **more: Any) -> dict[str, Any]:
    """Whatever ``taxRateSet`` answers."""
    document = f"""mutation ($input: TaxRateSetInput!) {{
      taxRateSet(input: $input) {{ __typename ... on TaxRateWasSet {{ taxRate {{ jurisdiction }} }} {PROBLEM} }} }}"""
    usual = {"country": country, "rateBps": rate_bps, "jurisdiction": country, "inclusive": True}
    given = {**usual, "idempotencyKey": str(uuid4()), **more}
    found: dict[str, Any] = (await mall.ask(document, {"input": given}, who=who)).data["taxRateSet"]
    return found


def to(country: str, region: str | None = None) -> dict[str, Any]:
    """An address there."""
    return {**ADDRESS, "country": country, "region": region}


async def quote(mall: Mall, who: str, *lines: Any, **cart: Any) -> dict[str, Any]:
    """Price a cart; whatever ``checkoutQuote`` answers."""
    given = {"cart": a_cart(*lines, **cart)}
    found: dict[str, Any] = (await mall.ask(QUOTE, {"input": given}, who=who)).data["checkoutQuote"]
    return found


async def place_cart(mall: Mall, who: str, *lines: Any, **cart: Any) -> dict[str, Any]:
    """Place a cart; whatever ``checkoutPlace`` answers."""
    return await _place(mall, who, {"cart": a_cart(*lines, **cart)})


async def place_quote(mall: Mall, who: str, quoted: dict[str, Any]) -> dict[str, Any]:
    """Place a quote; whatever ``checkoutPlace`` answers."""
    return await _place(mall, who, {"quoteId": quoted["quoteId"]})


async def _place(mall: Mall, who: str, what: dict[str, Any]) -> dict[str, Any]:
    given = {"idempotencyKey": str(uuid4()), **what}
    found: dict[str, Any] = (await mall.ask(PLACE, {"input": given}, who=who)).data["checkoutPlace"]
    return found


def record_id(merchant: Merchant) -> str:
    """A merchant's id as the platform's staff know it."""
    return encode_id("MerchantRecord", merchant.id)


def amounts(of: dict[str, Any]) -> tuple[str, ...]:
    """Goods, shipping, discount, added tax and total."""
    return tuple(of[name]["amount"] for name in ("goods", "shipping", "discount", "addedTax", "total"))


def kinds(answer: dict[str, Any]) -> list[str]:
    """The problems of a rejected checkout."""
    return [problem["__typename"] for problem in answer["problems"]]
