"""Texts of products and categories in several languages, as staff write and read them."""

from collections.abc import Sequence

import strawberry

from graphql_api.enums import Language
from merchantry.languages.language import Language as Known
from merchantry.languages.translation import Translation, Translations, known


@strawberry.type(description="What a product is called in one language; null falls back to how it was first written.")
class ProductTranslation:
    language: Language
    title: str | None
    description: str | None

    @staticmethod
    def of(found: Translations) -> "list[ProductTranslation]":
        """What there is, by language."""
        return [
            ProductTranslation(
                language=Language(each.language),
                title=each.texts.get("title"),
                description=each.texts.get("description"),
            )
            for each in known(found)
        ]


@strawberry.input(description="A product's texts in one language, instead of those that it has there.")
class ProductTranslationInput:
    language: Language = strawberry.field(description="Each at most once; languages left out stay as they are.")
    title: str | None = strawberry.field(default=None, description="Null: as it was first written.")
    description: str | None = strawberry.field(
        default=None, description="Null: as it was first written. With neither, the language is removed."
    )


@strawberry.input(description="A category's name in one language, instead of the one that it has there.")
class CategoryTranslationInput:
    language: Language = strawberry.field(description="Each at most once; languages left out stay as they are.")
    name: str | None = strawberry.field(default=None, description="Null removes it.")


def of_product(given: Sequence[ProductTranslationInput]) -> list[Translation]:
    """As services take it."""
    return [Translation(Known(each.language), {"title": each.title, "description": each.description}) for each in given]


def of_category(given: Sequence[CategoryTranslationInput]) -> list[Translation]:
    """As services take it."""
    return [Translation(Known(each.language), {"name": each.name}) for each in given]
