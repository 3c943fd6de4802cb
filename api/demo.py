"""The demo: a company that a newcomer can log in to, with customers who write now and then."""

import secrets

import msgspec

from actors.channels.base import Account
from actors.events import ConnectionChanged, RecordChanged, UserChanged
from api.app import App
from api.settings import Settings
from storage import connections, departments, users
from storage.connections import ConnectionPatch
from storage.departments import DepartmentPatch
from storage.founding import NewCompany, create_company
from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId
from storage.users import NewUser, UserPatch
from storage.views import connection_view, department_view, user_view

AGENT = "agent@example.com"


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in, and through which connection the simulated customers write."""

    company_id: CompanyId
    connection_id: ConnectionId
    email: str
    agent: str
    password: str

    @property
    def account(self) -> Account:
        """The simulator's side of the connection."""
        return Account(
            connection_id=self.connection_id,
            company_id=self.company_id,
            external_id=f"sim-{self.connection_id}",
        )


async def seed(app: App, settings: Settings) -> Demo:
    """Make the demo company, or find it; the password is new at every start unless it is set.

    Nobody but the operator sees the generated password: it is printed and not stored in clear.
    """
    password = settings.demo_password or secrets.token_urlsafe(9)
    hashed = await app.parts.auth.passwords.hash(password)
    login = await users.login_by_email(app.parts.database, settings.demo_email)
    if login is None:
        company_id, connection_id = await _found(app, settings, hashed)
    else:
        company_id = login.company_id
        connection_id = await _renewed(app, company_id, login.id, hashed)
    return Demo(
        company_id=company_id,
        connection_id=connection_id,
        email=settings.demo_email,
        agent=AGENT,
        password=password,
    )


async def _found(app: App, settings: Settings, hashed: str) -> tuple[CompanyId, ConnectionId]:
    database = app.parts.database
    admin = NewUser(
        name="Admin",
        email=settings.demo_email.lower(),
        password_hash=hashed,
        profile="admin",
        is_super=True,
    )
    founded = await create_company(database, NewCompany(name="Demo"), admin)
    company_id = founded.company.id
    async with database.begin(company_id) as tx:
        new = DepartmentPatch(name="Atendimento", color="#2c7be5", greeting_message="Olá!")
        department = await departments.create(tx, company_id, new)
        tx.publish(
            RecordChanged(
                company_id=company_id,
                noun="department",
                action="create",
                record_id=department.id,
                record=department_view(department),
            )
        )
    await _agent(app, company_id, department.id, hashed)
    members = (department.id,)
    async with database.begin(company_id) as tx:
        await users.change(tx, company_id, founded.admin.id, UserPatch(department_ids=members))
    connection_id = await _connection(app, company_id, department.id)
    app.parts.snapshots.invalidate(company_id)
    return company_id, connection_id


async def _agent(app: App, company_id: CompanyId, department_id: DepartmentId, hashed: str) -> None:
    members = (department_id,)
    new = NewUser(name="Agent", email=AGENT, password_hash=hashed, department_ids=members)
    snapshot = await app.parts.snapshots.current(company_id)
    async with app.parts.database.begin(company_id) as tx:
        user = await users.create(tx, company_id, new)
        shown = user_view(user, members, snapshot)
        tx.publish(UserChanged(company_id=company_id, user=shown, created=True))


async def _connection(app: App, company_id: CompanyId, department_id: DepartmentId) -> ConnectionId:
    snapshot = await app.parts.snapshots.current(company_id)
    async with app.parts.database.begin(company_id) as tx:
        new = ConnectionPatch(
            name="Simulator",
            channel="simulator",
            status="CONNECTED",
            is_default=True,
            number="5511900000000",
            department_ids=(department_id,),
        )
        made = await connections.create(tx, company_id, new)
        shown = connection_view(made, snapshot, department_ids=(department_id,))
        tx.publish(ConnectionChanged(company_id=company_id, connection=shown, created=True))
    return made.id


async def _renewed(app: App, company_id: CompanyId, admin: UserId, hashed: str) -> ConnectionId:
    """Give the demo's people the new password and find its simulator."""
    database = app.parts.database
    agent = await users.login_by_email(database, AGENT)
    async with database.begin(company_id) as tx:
        await users.change(tx, company_id, admin, UserPatch(password_hash=hashed))
        if agent is not None and agent.company_id == company_id:
            await users.change(tx, company_id, agent.id, UserPatch(password_hash=hashed))
    found = await connections.all_of(database, company_id)
    simulated = [item.id for item in found if item.channel == "simulator"]
    if simulated:
        return simulated[0]
    snapshot = await app.parts.snapshots.current(company_id)
    return await _connection(app, company_id, next(iter(snapshot.departments)))
