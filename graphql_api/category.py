"""The mall's categories: one tree."""

from collections.abc import Collection

import strawberry

from graphql_api.context import Info
from graphql_api.enums import Language
from graphql_api.reader import language_of_texts
from merchantry.domain.category import SHIP_DAYS
from merchantry.domain.dispute import RETURN_DAYS
from merchantry.languages.translation import known, written
from merchantry.services import category

ACTOR = "public"


@strawberry.type(description="What a category is called in one language.")
class CategoryTranslation:
    language: Language
    name: str


@strawberry.type(description="A category of products.")
class Category:
    code: str
    name: str = strawberry.field(description="In the reader's language where it is translated.")
    original_name: str = strawberry.field(description="As it was first written.")
    translations: list[CategoryTranslation] = strawberry.field(description="At most one for each language.")
    parent: str | None = strawberry.field(description="The code of the category above it.")
    position: int = strawberry.field(description="Its place among those with the same parent, the least first.")
    children: list["Category"] = strawberry.field(description="The categories right below it, by position, then code.")
    path: list["Category"] = strawberry.field(description="The way down to it from the top, itself included.")
    hold_days: int | None = strawberry.field(
        description="Days from completion until the money is available, of its own or from above; null: the plan's."
    )
    return_days: int = strawberry.field(description="Days in which a return can be asked for; 0: none can.")
    ship_days: int = strawberry.field(description="Calendar days after payment in which it is to be shipped.")
    own_hold_days: int | None = strawberry.field(description="What it says itself; null inherits.")
    own_return_days: int | None = strawberry.field(description="What it says itself; null inherits.")
    own_ship_days: int | None = strawberry.field(description="What it says itself; null inherits.")

    @staticmethod
    def tree(found: Collection[category.Category], language: Language | None) -> "dict[str, Category]":
        """All categories by code, each with those above and below it, named in this language where they can be."""
        made = {each.code: _alone(each, language) for each in found}
        for each in made.values():
            if each.parent is not None:
                made[each.parent].children.append(each)
            at: str | None = each.code
            while at is not None:
                each.path.insert(0, made[at])
                at = made[at].parent
        return made


def _alone(found: category.Category, language: Language | None) -> Category:
    in_force, own = found.in_force, found.own
    return Category(
        code=found.code,
        name=written(found.name, "name", found.translations, language),
        original_name=found.name,
        translations=[
            CategoryTranslation(language=Language(each.language), name=each.texts["name"] or "")
            for each in known(found.translations)
        ],
        parent=found.parent,
        position=found.position,
        children=[],
        path=[],
        hold_days=in_force.hold_days,
        return_days=RETURN_DAYS if in_force.return_days is None else in_force.return_days,
        ship_days=SHIP_DAYS if in_force.ship_days is None else in_force.ship_days,
        own_hold_days=own.hold_days,
        own_return_days=own.return_days,
        own_ship_days=own.ship_days,
    )


@strawberry.type
class CategoryQueries:
    @strawberry.field
    async def categories(self, info: Info, language: Language | None = None) -> list[Category]:
        """All categories of the mall, by position, then code; those without a parent are the tops of the tree.

        `language`: of their names; else what the viewer chose, else the request's Accept-Language.
        """
        return list((await _tree(info, language)).values())

    @strawberry.field
    async def category(self, info: Info, code: str, language: Language | None = None) -> Category | None:
        """One category by its code; `language` as of categories."""
        return (await _tree(info, language)).get(code)


async def _tree(info: Info, asked: Language | None) -> dict[str, Category]:
    language = await language_of_texts(info.context, asked)
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        return Category.tree(await category.categories(session), language)
