"""Bearers of login sessions: what a request's token or cookie is held against, in one look."""

from typing import Final

import msgspec
import sqlalchemy as sa

from storage.database import Statements
from storage.ids import CompanyId, DepartmentId, UserId
from storage.json_rows import document, row_of
from storage.metadata import columns_of
from storage.refresh_families import STANDING, Standing
from storage.sql import prepared
from storage.users import User, user_departments, users


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """The user that a token names, their departments, and the session that it is of, if it stands."""

    user: User | None
    department_ids: tuple[DepartmentId, ...]
    standing: Standing | None


_DECODER: Final = msgspec.json.Decoder(Bearer)
_COMPANY: Final = sa.bindparam("company", type_=sa.BigInteger)
_USER: Final = sa.bindparam("user", type_=sa.BigInteger)
_LOOK: Final = prepared(
    document(
        user=row_of(
            sa.select(*columns_of(users, User)).where(
                users.c.company_id == _COMPANY, users.c.id == _USER
            )
        ),
        department_ids=sa.func.array(
            sa.select(user_departments.c.department_id)
            .where(user_departments.c.company_id == _COMPANY, user_departments.c.user_id == _USER)
            .order_by(user_departments.c.department_id)
            .scalar_subquery()
        ),
        standing=row_of(STANDING),
    )
)


async def look(
    source: Statements,
    company_id: CompanyId,
    user_id: UserId,
    family: str,
    *,
    generation: int | None = None,
    grace: float = 0.0,
) -> Bearer:
    """Who a token speaks for, all of it as of one moment.

    `generation` is the number of the refresh token that was shown, if one was; nothing is rotated.
    One that was rotated at most `grace` seconds ago is accepted too.
    """
    text = await source.value(
        _LOOK, company=company_id, user=user_id, family=family, token=generation, grace=grace
    )
    return _DECODER.decode(text)
