"""Where things are shipped to."""

import re

import strawberry

from merchantry.domain import checkout
from merchantry.domain.errors import InvalidInput
from merchantry.domain.tax_rate import check_region


@strawberry.type(description="Where an order is shipped to.")
class Address:
    name: str
    street: str
    city: str
    postal_code: str
    country: str = strawberry.field(description="ISO 3166-1 alpha-2, such as BR.")
    phone: str | None = None
    region: str | None = strawberry.field(default=None, description="The second part of ISO 3166-2: CA of US-CA.")


@strawberry.input(description="Where to ship.")
class AddressInput:
    name: str
    street: str
    city: str
    postal_code: str
    country: str = strawberry.field(description="ISO 3166-1 alpha-2, such as BR.")
    phone: str | None = None
    region: str | None = strawberry.field(
        default=None, description="The second part of ISO 3166-2, such as CA of US-CA; sales tax may depend on it."
    )

    def to_domain(self, *path: str) -> checkout.Address:
        """The address, its texts trimmed. Raises InvalidInput naming the field."""
        for name in ("name", "street", "city", "postal_code"):
            if not 0 < len(getattr(self, name).strip()) <= 200:
                raise InvalidInput(reason="Give 1 to 200 characters.", path=(*path, _camel(name)))
        if not re.fullmatch("[A-Z]{2}", self.country):
            reason = "Give the country's two capital letters, such as BR."
            raise InvalidInput(reason=reason, path=(*path, "country"))
        if self.phone is not None and len(self.phone) > 50:
            raise InvalidInput(reason="Give at most 50 characters.", path=(*path, "phone"))
        if self.region is not None:
            check_region(self.region, (*path, "region"))
        return checkout.Address(
            name=self.name.strip(),
            street=self.street.strip(),
            city=self.city.strip(),
            postal_code=self.postal_code.strip(),
            country=self.country,
            phone=self.phone,
            region=self.region,
        )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
