"""Settings: key and value rows of a company; those of company 1 hold for the installation."""

import base64
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from storage.database import Database, Tx
from storage.ids import CompanyId, SettingId
from storage.metadata import at, company, metadata, of_company, row_id, string
from storage.secrets import SecretBox
from storage.setting_keys import known
from storage.sql import prepared

INSTALLATION = CompanyId(1)
"""The company whose rows are the installation's settings."""

settings = sa.Table(
    "settings",
    metadata,
    company(),
    row_id(),
    string("key"),
    string("value"),
    at("created_at"),
    at("updated_at"),
    of_company(),
    sa.UniqueConstraint("company_id", "key"),
)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key and its text; a secret one's is sealed."""

    company_id: CompanyId
    id: SettingId
    key: str
    value: str
    created_at: datetime
    updated_at: datetime


_t = settings.c
_OF_COMPANY: Final = _t.company_id == sa.bindparam("company", type_=sa.BigInteger)
_ALL: Final = prepared(sa.select(settings).where(_OF_COMPANY).order_by(_t.key))
_FIND: Final = prepared(
    sa.select(settings).where(_OF_COMPANY, _t.key == sa.bindparam("name", type_=sa.Text))
)
_new = insert(settings).values(
    company_id=sa.bindparam("company", type_=sa.BigInteger),
    key=sa.bindparam("name", type_=sa.Text),
    value=sa.bindparam("text", type_=sa.Text),
)
_PUT: Final = prepared(
    _new.on_conflict_do_update(
        index_elements=[_t.company_id, _t.key],
        set_={"value": _new.excluded.value, "updated_at": sa.func.now()},
    ).returning(settings)
)


async def all_of(database: Database, company_id: CompanyId) -> list[Setting]:
    """Every row of the company, by key."""
    return await database.all(_ALL, into=Setting, company=company_id)


async def find(database: Database, company_id: CompanyId, key: str) -> Setting | None:
    """One row, or None."""
    return await database.first(_FIND, into=Setting, company=company_id, name=key)


async def value_of(database: Database, company_id: CompanyId, key: str) -> str:
    """A setting's text, or its default while it is not set."""
    found = await find(database, company_id, key)
    return known(key).default if found is None else found.value


async def put(tx: Tx, company_id: CompanyId, key: str, value: str, box: SecretBox) -> Setting:
    """Write a key's text, new or not; sealed where the key is a secret one."""
    text = value
    if value and known(key).secret:
        sealed = box.seal(_Secret(value), _place(company_id, key))
        text = _SEALED + base64.b64encode(sealed).decode()
    return await tx.one(_PUT, into=Setting, company=company_id, name=key, text=text)


def opened(setting: Setting, box: SecretBox) -> str:
    """A setting's text in clear. Raises SecretUnreadable."""
    if not (known(setting.key).secret and setting.value.startswith(_SEALED)):
        return setting.value
    sealed = base64.b64decode(setting.value[len(_SEALED) :])
    return box.open(sealed, _place(setting.company_id, setting.key), _Secret).value


_SEALED: Final = "sealed:"


class _Secret(msgspec.Struct, frozen=True):
    value: str


def _place(company_id: CompanyId, key: str) -> str:
    return f"settings.{key}:{company_id}"


async def file_limit(database: Database, key: str, most: int) -> int:
    """Installation-wide: the largest file in bytes by `uploadLimit` or `downloadLimit`, in MiB.

    Never more than `most`, which holds where nothing is set.
    """
    text = (await value_of(database, INSTALLATION, key)).strip()
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return min(wanted * 1024 * 1024, most) if wanted else most
