"""What guests send, and how tests make them."""

from typing import Any
from uuid import uuid4

from tests.graphql_api.documents import PROBLEM
from tests.graphql_api.mall import Mall

BEGIN = f"""
mutation ($input: GuestCheckoutBeginInput!) {{
  guestCheckoutBegin(input: $input) {{ __typename ... on GuestCheckoutBegun {{ token expiresAt }} {PROBLEM} }}
}}
"""
CLAIM = f"""
mutation ($input: GuestCheckoutClaimInput!) {{
  guestCheckoutClaim(input: $input) {{
    __typename ... on GuestCheckoutClaimed {{ checkout {{ id orders {{ id number }} }} }} {PROBLEM}
  }}
}}
"""


async def a_guest(mall: Mall, name: str = "guest", email: str = "gus@example.test") -> str:
    """Somebody without an account, whom helpers know by this name."""
    begun = (await mall.ask(BEGIN, {"input": {"email": email}})).data["guestCheckoutBegin"]
    mall.guests[name] = begun["token"]
    return name


async def claim(mall: Mall, who: str, token: str, key: str | None = None) -> dict[str, Any]:
    """Whatever ``guestCheckoutClaim`` answers."""
    given = {"token": token, "idempotencyKey": key or str(uuid4())}
    found: dict[str, Any] = (await mall.ask(CLAIM, {"input": given}, who=who)).data["guestCheckoutClaim"]
    return found
