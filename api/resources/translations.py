"""Texts of the frontend that operators have changed, by language and namespace."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.endpoint import Ctx, Routes, Short, Text, super_user
from storage import translations
from storage.translations import Translation

routes = Routes("/translations", tag="translations", guard=super_user)
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class TranslationQuery(msgspec.Struct):
    """Of which language and namespace; all without."""

    language: Short = ""
    namespace: Short = ""


class NewText(msgspec.Struct):
    """A changed text; an empty one takes the change back."""

    language: Name
    key: Name
    namespace: Name = "translation"
    value: Text = ""


class Translations(msgspec.Struct, frozen=True):
    """Changed texts."""

    translations: list[Translation]


class Languages(msgspec.Struct, frozen=True):
    """Languages in which something is changed."""

    languages: list[str]


class Changed(msgspec.Struct, frozen=True):
    """What was done."""

    message: str
    translation: Translation | None = None


@routes.get()
async def list_texts(ctx: Ctx, query: TranslationQuery) -> Translations:
    """List the changed texts of the frontend."""
    wanted = {name: value for name, value in msgspec.structs.asdict(query).items() if value}
    found = translations.rows.matching(equal=wanted)
    return Translations(await translations.rows.where(ctx.parts.database, ctx.company_id, *found))


@routes.get("/languages")
async def list_languages(ctx: Ctx) -> Languages:
    """List the languages in which something is changed."""
    return Languages(await translations.languages(ctx.parts.database))


@routes.post()
async def change(ctx: Ctx, body: NewText) -> Changed:
    """Change a text of the frontend, or take the change back."""
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        said = await translations.say(tx, body.language, body.namespace, body.key, body.value)
    return Changed("Translation saved" if said else "Translation removed", said)
