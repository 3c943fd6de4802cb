"""Two founded companies with people, departments, a connection, contacts and tickets."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from storage import connections, departments, users
from storage.connections import ConnectionPatch
from storage.contacts import Contact, contacts
from storage.database import Database
from storage.departments import DepartmentPatch
from storage.founding import NewCompany, create_company
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, TicketId, UserId
from storage.messages import Message, messages
from storage.metadata import columns_of
from storage.tickets import Ticket, tickets
from storage.users import NewUser, User

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Place(msgspec.Struct, frozen=True):
    """One company with one of everything."""

    company_id: CompanyId
    admin: User
    agent: User
    department_id: DepartmentId
    connection_id: ConnectionId
    contact_id: ContactId


async def found(database: Database, name: str) -> Place:
    """Found a company and furnish it."""
    admin = NewUser(name="Ada", email=f"admin@{name}.test", password_hash="hash")
    founded = await create_company(database, NewCompany(name=name), admin)
    company_id = founded.company.id
    async with database.begin(company_id) as tx:
        support = await departments.create(
            tx, company_id, DepartmentPatch(name="Support", color="#112233")
        )
        agent = await users.create(
            tx,
            company_id,
            NewUser(
                name="Bea",
                email=f"agent@{name}.test",
                password_hash="hash",
                department_ids=(support.id,),
            ),
        )
        connection = await connections.create(
            tx,
            company_id,
            ConnectionPatch(
                name="Main", channel="simulator", is_default=True, department_ids=(support.id,)
            ),
        )
    contact = await put_contact(database, company_id, "5511999990000", "José")
    return Place(company_id, founded.admin, agent, support.id, connection.id, contact.id)


async def put(database: Database, table: sa.Table, record: type[Any], **values: object) -> Any:
    """Insert one row as it stands, defaults from the database."""
    statement = sa.insert(table).values(**values).returning(*columns_of(table, record))
    return await database.one(statement, into=record)


async def put_contact(
    database: Database, company_id: CompanyId, number: str, name: str = "Somebody"
) -> Contact:
    """Insert a contact."""
    contact: Contact = await put(
        database, contacts, Contact, company_id=company_id, number=number, name=name
    )
    return contact


async def put_ticket(
    database: Database, place: Place, *, contact_id: ContactId | None = None, **values: object
) -> Ticket:
    """Insert a ticket of the place's contact on its connection, pending unless told."""
    row: dict[str, object] = {
        "company_id": place.company_id,
        "contact_id": contact_id or place.contact_id,
        "connection_id": place.connection_id,
        "uuid": str(uuid4()),
    }
    ticket: Ticket = await put(database, tickets, Ticket, **(row | values))
    return ticket


async def put_message(
    database: Database, place: Place, ticket_id: TicketId, **values: object
) -> Message:
    """Insert a message of the place's contact."""
    row: dict[str, object] = {
        "company_id": place.company_id,
        "ticket_id": ticket_id,
        "contact_id": place.contact_id,
        "connection_id": place.connection_id,
    }
    message: Message = await put(database, messages, Message, **(row | values))
    return message


def nobody() -> UserId:
    """An id that no user has."""
    return UserId(2**40)
