"""What the command line does besides serving."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.audit import chain_key
from api.passwords import Passwords
from api.settings import Settings
from storage import audit_log, backup, companies, dead_letters, users
from storage.audit_chain import GENESIS
from storage.audit_log import Verdict
from storage.database import open_database
from storage.dead_letters import DeadLetterRow
from storage.errors import NotFound
from storage.founding import NewCompany, create_company
from storage.ids import CompanyId, DeadLetterId
from storage.migrate import downgrade, upgrade
from storage.users import NewUser, User


async def create_user(
    settings: Settings,
    dsn: str,
    email: str,
    name: str,
    password: str,
    profile: str,
    is_super: bool,
    company: int,
) -> User:
    """Let a person in; founds the first company when there is none yet.

    Raises UniqueViolation for a known address, NotFound for a company that does not exist.
    """
    await upgrade(dsn)
    hashed = await Passwords(settings.bcrypt_rounds).hash(password)
    new = NewUser(
        name=name,
        email=email.strip().lower(),
        password_hash=hashed,
        profile="admin" if profile == "admin" else "user",
        is_super=is_super,
    )
    async with open_database(dsn, pool=2) as database:
        known = await companies.all_of(database)
        if not known and company == 1:
            admin = msgspec.structs.replace(new, is_super=True)
            return (await create_company(database, NewCompany(name="Company 1"), admin)).admin
        if company not in {item.id for item in known}:
            message = f"company {company}"
            raise NotFound(message)
        async with database.begin(CompanyId(company)) as tx:
            return await users.create(tx, CompanyId(company), new)


async def back_up(dsn: str, file: Path) -> None:
    """Write the whole database to a file."""
    await backup.backup(dsn, file)


async def restore(dsn: str, file: Path) -> None:
    """Fill an empty database from a file, then bring it to the newest schema."""
    await backup.restore(dsn, file)
    await upgrade(dsn)


async def migrate(dsn: str, down_to: str | None) -> str | None:
    """Bring the schema to the newest revision, or back to an earlier one; returns where it is."""
    return await (upgrade(dsn) if down_to is None else downgrade(dsn, down_to))


async def waiting_letters(dsn: str) -> Sequence[DeadLetterRow]:
    """The inputs that were taken but refused for good, and that nobody has dealt with yet."""
    async with open_database(dsn, pool=1) as database:
        return await dead_letters.waiting(database)


async def letter(dsn: str, number: int) -> DeadLetterRow:
    """One of them, with its raw bytes. Raises NotFound."""
    async with open_database(dsn, pool=1) as database:
        return await dead_letters.get(database, DeadLetterId(number))


async def done_with(dsn: str, number: int) -> None:
    """Take one of them off the list. Raises NotFound."""
    async with open_database(dsn, pool=1) as database:
        await dead_letters.mark_replayed(database, DeadLetterId(number))


async def verify_audit(
    settings: Settings, dsn: str, company: int | None, since: tuple[int, bytes] | None
) -> Sequence[Verdict]:
    """Check the audit log of one company, or of all.

    `since` is a head of the one company that was printed before: the entries up to it are taken as
    they were, and an end that was cut off shows.
    """
    key = chain_key(settings.secrets.data_key)
    async with open_database(dsn, pool=1) as database:
        return [
            await audit_log.verify(database, head.company_id, key=key, since=since or (0, GENESIS))
            for head in await audit_log.heads(database)
            if company in (None, head.company_id)
        ]
