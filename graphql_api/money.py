"""Money as clients see it: a decimal text with the currency's digits. Inside the program it is minor units."""

from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from merchantry.domain import money
from merchantry.domain.errors import InvalidInput, UnknownCurrency

DecimalText = NewType("DecimalText", str)
CurrencyCode = NewType("CurrencyCode", str)

MAX_DECIMAL_LENGTH = 42
MAX_CURRENCY_LENGTH = 12


def _decimal(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_DECIMAL_LENGTH:
        raise GraphQLError('An amount is a short text, so that no digit is lost; send one such as "12.30".')
    return value


def _currency(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_CURRENCY_LENGTH:
        raise GraphQLError('A currency is the text of an ISO 4217 code; send one such as "EUR".')
    return value


SCALARS: dict[object, ScalarDefinition] = {
    DecimalText: strawberry.scalar(
        name="Decimal",
        description='A decimal number as text with as many digits as its currency has: "12.30", or "12" yen.',
        serialize=str,
        parse_value=_decimal,
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description='An ISO 4217 code, such as "EUR".',
        specified_by_url="https://www.iso.org/iso-4217-currency-codes.html",
        serialize=str,
        parse_value=_currency,
    ),
}


@strawberry.type(description="An amount of one currency.")
class Money:
    amount: DecimalText
    currency: CurrencyCode

    @staticmethod
    def of(amount_minor: int, currency: str) -> "Money":
        """The amount of these minor units. Raises UnknownCurrency."""
        return Money(amount=DecimalText(money.format_minor(amount_minor, currency)), currency=CurrencyCode(currency))


@strawberry.input(description="An amount of one currency, as a client sends it.")
class MoneyInput:
    amount: DecimalText
    currency: CurrencyCode

    def to_minor(self, *path: str | int) -> int:
        """The amount in minor units of its currency.

        Raises UnknownCurrency or InvalidInput; `path` is where this input stands in the arguments.
        """
        try:
            return money.parse_minor(self.amount, self.currency)
        except UnknownCurrency as error:
            error.path = (*path, "currency")
            raise
        except InvalidInput as error:
            error.path = (*path, "amount")
            raise
