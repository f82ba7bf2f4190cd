"""What schemathesis needs to know of this API: its scalars, and that a refusal of bad input is no fault."""

import schemathesis
from graphql import StringValueNode
from hypothesis import strategies as st

TEXTS = {
    "JSON": st.text(max_size=50),
    "Decimal": st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str) | st.text(max_size=20),
    "CurrencyCode": st.sampled_from(["BRL", "EUR", "JPY", "XXX"]) | st.text(max_size=5),
    "DateTime": st.datetimes().map(lambda instant: f"{instant.isoformat()}Z") | st.text(max_size=30),
    "Date": st.dates().map(str) | st.text(max_size=12),
}
for scalar, texts in TEXTS.items():
    schemathesis.graphql.scalar(scalar, texts.map(lambda text: StringValueNode(value=text)))


@schemathesis.check
def no_fault(ctx, response, case) -> None:
    """No 5xx, and no fault of ours, which are shown masked."""
    if response.status_code >= 500:
        raise AssertionError(f"answered {response.status_code}")
    for error in response.json().get("errors", []):
        if error.get("extensions", {}).get("code") == "INTERNAL":
            raise AssertionError("a masked fault")
