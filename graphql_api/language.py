"""People choose what they read."""

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Language
from graphql_api.problems import mutation
from graphql_api.reader import language_of
from merchantry.domain.errors import InvalidInput
from merchantry.languages.language import Language as Known
from merchantry.services import account_setting
from tenancy.database import Transaction


@strawberry.input(description="What the viewer reads.")
class ViewerLanguageSetInput:
    language: Language | None = strawberry.field(
        default=None, description="Null: what each request's `Accept-Language` says."
    )


@strawberry.type(description="The viewer reads this from now on, in answers and in mails.")
class ViewerLanguageChanged:
    language: Language


@strawberry.type
class LanguageMutations:
    @mutation(problems=[InvalidInput])
    async def viewer_language_set(self, info: Info, input: ViewerLanguageSetInput) -> ViewerLanguageChanged:
        """Choose the language of messages, notifications and mails."""
        buyer = access.of_buyer(info.context)
        language = input.language and Known(input.language)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                await account_setting.set_language(session, buyer.account_id, language)

        await info.context.database.run(buyer.act.actor, work)
        info.context.knows_language = False
        return ViewerLanguageChanged(language=Language(await language_of(info.context)))
