"""What the platform does with the mall's categories."""

import strawberry

from graphql_api import access
from graphql_api.category import Category
from graphql_api.context import Info
from graphql_api.problems import mutation
from graphql_api.reader import language_of_texts
from graphql_api.translation import CategoryTranslationInput, of_category
from merchantry.domain.category import Days
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.services import category
from tenancy.database import Transaction


@strawberry.input(description="A category of products to be.")
class CategoryCreateInput:
    code: str = strawberry.field(description="Lower-case letters, digits, and single - or _ between them.")
    name: str
    parent: str | None = None
    translations: list[CategoryTranslationInput] = strawberry.field(
        default_factory=list, description="Its name in other languages, one for each."
    )
    position: int = strawberry.field(
        default=0, description="Its place among those with the same parent, 0 to 1,000,000, the least first."
    )


@strawberry.type(description="Products can be put into the category.")
class CategoryCreated:
    category: Category


@strawberry.input(description="What of a category's names and place changes; what is left out stays.")
class CategoryUpdateInput:
    code: str
    name: str | None = strawberry.field(default=None, description="As it is first written.")
    translations: list[CategoryTranslationInput] = strawberry.field(
        default_factory=list, description="Its name in other languages, one for each."
    )
    position: int | None = strawberry.field(
        default=None, description="Its place among those with the same parent, 0 to 1,000,000, the least first."
    )


@strawberry.type(description="The category has these names and this place, wherever it is shown.")
class CategoryUpdated:
    category: Category


@strawberry.input(description="What a category says of holds and returns. What is left out is inherited from above.")
class CategoryDaysSetInput:
    code: str
    hold_days: int | None = strawberry.field(
        default=None, description="Calendar days from completion until the money is available, 0 to 365."
    )
    return_days: int | None = strawberry.field(
        default=None, description="Days after the last delivery in which a return can be asked for; 0: none can."
    )
    ship_days: int | None = strawberry.field(
        default=None, description="Calendar days after payment in which it is to be shipped, 0 to 365."
    )


@strawberry.type(description="The days hold for orders that are placed from now on; others keep theirs.")
class CategoryDaysWereSet:
    category: Category


@strawberry.type
class CategoryMutations:
    @mutation(problems=[InvalidInput, NotPermitted])
    async def category_create(self, info: Info, input: CategoryCreateInput) -> CategoryCreated:
        """Add a category to the mall. Needs platform.category.create."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CATEGORY_CREATE)
        language = await language_of_texts(info.context)

        async def work(tx: Transaction) -> Category:
            async with tx.as_platform() as session:
                await category.create_category(
                    session,
                    input.code,
                    input.name,
                    allowed.act,
                    parent=input.parent,
                    translations=of_category(input.translations),
                    position=input.position,
                )
                return Category.tree(await category.categories(session), language)[input.code]

        return CategoryCreated(category=await info.context.database.run(allowed.act.actor, work))

    @mutation(problems=[InvalidInput, NotFound, NotPermitted])
    async def category_update(self, info: Info, input: CategoryUpdateInput) -> CategoryUpdated:
        """Call a category something else, in any language, or give it another place. Needs platform.category.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CATEGORY_WRITE)
        language = await language_of_texts(info.context)

        async def work(tx: Transaction) -> Category:
            async with tx.as_platform() as session:
                await category.update_category(
                    session,
                    input.code,
                    allowed.act,
                    name=input.name,
                    translations=of_category(input.translations),
                    position=input.position,
                )
                return Category.tree(await category.categories(session), language)[input.code]

        return CategoryUpdated(category=await info.context.database.run(allowed.act.actor, work))

    @mutation(problems=[InvalidInput, NotFound, NotPermitted])
    async def category_days_set(self, info: Info, input: CategoryDaysSetInput) -> CategoryDaysWereSet:
        """Say how long money is held, goods can be returned, and take to ship. Needs platform.category.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CATEGORY_WRITE)
        language = await language_of_texts(info.context)
        days = Days(input.hold_days, input.return_days, input.ship_days)

        async def work(tx: Transaction) -> Category:
            async with tx.as_platform() as session:
                await category.set_days(session, input.code, days, allowed.act)
                return Category.tree(await category.categories(session), language)[input.code]

        return CategoryDaysWereSet(category=await info.context.database.run(allowed.act.actor, work))
