"""People choose what they read, and merchants what their documents are written in."""

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Language
from graphql_api.problems import mutation
from graphql_api.reader import language_of
from merchantry.domain.errors import InvalidInput, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.languages.language import Language as Known
from merchantry.services import account_setting, merchant
from tenancy.database import Transaction


@strawberry.input(description="What the viewer reads.")
class ViewerLanguageSetInput:
    language: Language | None = strawberry.field(
        default=None, description="Null: what each request's `Accept-Language` says."
    )


@strawberry.type(description="The viewer reads this from now on, in answers and in mails.")
class ViewerLanguageChanged:
    language: Language


@strawberry.input(description="What a merchant's documents are written in.")
class DocumentLanguageSetInput:
    language: Language = strawberry.field(
        description="Of the PDFs of statements, invoices and credit notes that are issued from now on."
    )


@strawberry.type(description="What is issued from now on is written so; documents that there are stay as they are.")
class DocumentLanguageWasSet:
    language: Language


@strawberry.type
class LanguageMutations:
    @mutation(problems=[NotPermitted])
    async def document_language_set(self, info: Info, input: DocumentLanguageSetInput) -> DocumentLanguageWasSet:
        """Choose the language of the selected merchant's documents. Needs statement.decide."""
        allowed = access.of_merchant(info.context, Permission.STATEMENT_DECIDE)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                language = Known(input.language)
                await merchant.set_document_language(session, allowed.merchant_id, language, allowed.act)

        await info.context.database.run(allowed.act.actor, work)
        return DocumentLanguageWasSet(language=input.language)

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
