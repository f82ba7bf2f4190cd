"""A schema of everything that Strawberry knows and the mall's own schema doesn't use."""

import enum
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar, Union
from uuid import UUID

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON

T = TypeVar("T")


@strawberry.enum
class Weight(enum.IntEnum):
    LIGHT = 1
    HEAVY = 2


@strawberry.enum
class Color(enum.Enum):
    RED = "red"
    GREEN = strawberry.enum_value("green", name="VERDE")
    ALSO_RED = "red"


class Never(BasePermission):
    message = "not for you"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return False


class Upper(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


@strawberry.interface
class Named:
    name: str
    label: str | None


@strawberry.interface
class Chosen:
    """Says itself which type an object is."""

    title: str

    @classmethod
    def resolve_type(cls, obj: Any, *_: Any) -> str:
        return "Book" if getattr(obj, "title", "") else "Film"


@strawberry.type
class Book(Chosen):
    title: str
    pages: int


@strawberry.type
class Film(Chosen):
    title: str
    minutes: int


@strawberry.type
class Box(Generic[T]):
    inside: T
    all: list[T]


@strawberry.type
class Stone(Named):
    name: str
    label: str | None
    weight: Weight
    color: Color | None
    grams: float
    lucky: bool
    renamed: int = strawberry.field(name="ofAnotherName")
    secret: strawberry.Private[str] = "hidden"


@strawberry.type
class Picky:
    """Says itself which objects are its own."""

    number: int

    @classmethod
    def is_type_of(cls, obj: Any, _info: Any) -> bool:
        return getattr(obj, "number", None) != 0


@strawberry.type
class Plant(Named):
    name: str
    label: str | None
    sown: date | None
    waking: time
    key: UUID
    price: Decimal
    facts: JSON
    rows: list[list[int]]
    holes: list[list[str | None] | None] | None
    forbidden: str | None = strawberry.field(permission_classes=[Never])
    loud: str = strawberry.field(extensions=[Upper()])

    @strawberry.field
    def doubled(self, times: int = 2) -> str:
        return str(self.name) * times

    @strawberry.field
    async def slow(self) -> "Stone | None":
        return getattr(self, "label", None)

    @strawberry.field
    async def failing(self) -> int:
        raise ValueError(f"{self.name} fails")


Thing = Annotated[Union[Stone, Plant, Picky], strawberry.union("Thing")]  # noqa: UP007
Boxed = Annotated[Union[Box[Stone], Box[int]], strawberry.union("Boxed")]  # noqa: UP007


@strawberry.type
class Shelf:
    thing: Thing | None
    things: list[Thing]
    named: list[Named]
    chosen: Chosen | None
    boxed: list[Boxed]
    box: Box[Named]
    shelf: "Shelf | None"
    stones: list[Stone | None]
    picky: Picky | None


@strawberry.type
class Query:
    shelf: Shelf


schema = strawberry.Schema(query=Query, types=[Book, Film, Stone, Plant])
