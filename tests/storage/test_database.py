"""Statements and transactions against a real Postgres."""

from storage.database import Database
import sqlalchemy as sa


async def test_a_value_comes_back(database: Database) -> None:
    assert await database.value(sa.select(sa.literal(7))) == 7
