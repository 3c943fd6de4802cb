"""Translations: texts of the frontend that the installation has changed."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.database import Database, Tx
from storage.metadata import string
from storage.plain_rows import SharedRow, shared_table
from storage.repo import Repo
from storage.sql import prepared

translations = shared_table(
    "translations",
    string("language"),
    string("namespace"),
    string("key"),
    string("value"),
    sa.UniqueConstraint("language", "namespace", "key"),
)


class Translation(SharedRow, frozen=True, kw_only=True, rename="camel"):
    """What is said in a language in place of the frontend's own text."""

    language: str
    namespace: str
    key: str
    value: str


_t = translations.c
rows: Final = Repo(translations, Translation, _t.language, _t.namespace, _t.key)
_LANGUAGES: Final = prepared(sa.select(_t.language).distinct().order_by(_t.language))
_new = insert(translations).values(
    language=sa.bindparam("in_language", type_=sa.Text),
    namespace=sa.bindparam("in_namespace", type_=sa.Text),
    key=sa.bindparam("of_key", type_=sa.Text),
    value=sa.bindparam("text", type_=sa.Text),
)
_PUT: Final = prepared(
    _new.on_conflict_do_update(
        index_elements=[_t.language, _t.namespace, _t.key],
        set_={"value": _new.excluded.value, "updated_at": sa.func.now()},
    ).returning(translations)
)
_TAKE_BACK: Final = prepared(
    sa.delete(translations).where(
        _t.language == sa.bindparam("in_language", type_=sa.Text),
        _t.namespace == sa.bindparam("in_namespace", type_=sa.Text),
        _t.key == sa.bindparam("of_key", type_=sa.Text),
    )
)


async def languages(database: Database) -> list[str]:
    """Installation-wide: the languages in which something is changed."""
    return [row[0] for row in await database.rows(_LANGUAGES)]


async def say(tx: Tx, language: str, namespace: str, key: str, value: str) -> Translation | None:
    """Installation-wide: change a text; an empty one takes the change back (None)."""
    place = {"in_language": language, "in_namespace": namespace, "of_key": key}
    if not value:
        await tx.execute(_TAKE_BACK, **place)
        return None
    return await tx.one(_PUT, into=Translation, text=value, **place)
