"""The whole server in one process on a real Postgres, with two companies and all roles."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from actors.channels.base import Account, Identity
from api.app import App, open_app
from api.endpoint.guards import COMPANY_SCOPES, INSTALLATION_SCOPES
from api.settings import Settings, read_settings
from storage import api_tokens, connections, departments, tags, users
from storage.connections import ConnectionPatch, ConnectionSecrets
from storage.departments import DepartmentPatch
from storage.founding import NewCompany, create_company
from storage.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    DepartmentId,
    MessageId,
    TicketId,
    UserId,
)
from storage.tables import ALL as TABLES
from storage.tags import TagPatch
from storage.users import NewUser, UserPatch
from tests.api.endpoint.conftest import Answer, Client

PASSWORD = "correct horse"
APP_SECRET = "app-secret-of-the-installation"


class Company(msgspec.Struct, kw_only=True):
    """One of the two companies, with a row of every noun and a token of every role."""

    id: CompanyId
    name: str
    admin_id: UserId
    user_id: UserId
    department_id: DepartmentId
    connection_id: ConnectionId
    cloud_id: ConnectionId
    cloud_token: str
    api_token: str
    program: str
    cloud_secret: str
    phone_id: str
    tag_id: int
    contact_id: ContactId
    ticket_id: TicketId
    message_id: MessageId
    uuid: str
    admin: str
    user: str
    rows: dict[str, int] = {}


class World:
    """The running server, a client of it, and who lives there."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.client = Client(app.asgi)
        self.a: Company
        self.b: Company
        self.super = ""
        self.installation = ""

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        **more: object,
    ) -> Answer:
        raw = b"" if body is None else msgspec.json.encode(body)
        return await self.client(method, path, body=raw, token=token, **more)

    async def login(self, email: str, password: str = PASSWORD) -> Answer:
        return await self.call("POST", "/auth/login", {"email": email, "password": password})

    async def receive(self, company: Company, phone: str, *texts: str) -> None:
        """A customer writes to the company's simulator."""
        simulator = self.app.simulator
        account = Account(
            connection_id=company.connection_id, company_id=company.id, external_id="sim"
        )
        sender = Identity(phone=phone)
        messages = [simulator.text(sender, text, name="Customer") for text in texts]
        await simulator.receive(account, sender, "Customer", messages)

    async def rows_of(self, company: Company) -> dict[str, str]:
        """A digest of everything the company has, table by table."""
        found = {}
        for table in TABLES:
            if "company_id" not in table.c or table.name in (
                "refresh_families",
                "idempotency_keys",
            ):
                continue
            whole = sa.text(
                "select coalesce(md5(string_agg(row, '|' order by row)), '') from ("
                "select (to_jsonb(t) - 'last_used_at')::text as row "
                f"from {table.name} t where company_id = {int(company.id)}) as rows"
            )
            found[table.name] = await self.app.parts.database.value(whole)
        return found


def settings_for(folder: Path, **values: str) -> Settings:
    environment = {
        "BCRYPT_ROUNDS": "4",
        "FACEBOOK_APP_SECRET": APP_SECRET,
        "FRONTEND_URL": "https://app.example.com",
        "GRAPH_API_URL": "http://127.0.0.1:9",
        "BODY_LIMIT_BYTES": "200000",
    } | values
    return read_settings(environment, data_dir=folder)


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables that a test wants to be set otherwise; parametrize it."""
    return {}


@pytest.fixture
async def world(dsn: str, tmp_path: Path, environment: dict[str, str]) -> AsyncIterator[World]:
    """The server with its two companies; requests go straight to the ASGI application."""
    settings = settings_for(tmp_path, **environment)
    async with open_app(settings, dsn) as app:
        made = World(app, settings)
        await people(made)
        yield made


async def people(made: World) -> None:
    """Found the two companies and log everybody in."""
    app = made.app
    hashed = await app.parts.auth.passwords.hash(PASSWORD)
    made.a = await _company(made, "a", hashed)
    made.b = await _company(made, "b", hashed)
    async with app.parts.database.begin(made.a.id) as tx:
        root = NewUser(name="Root", email="root@a.test", password_hash=hashed, is_super=True)
        operator = await users.create(tx, made.a.id, root)
        made.installation = "chatia_token-of-the-installation"
        every = sorted({*COMPANY_SCOPES, *INSTALLATION_SCOPES})
        await api_tokens.create(
            tx,
            made.a.id,
            made.installation,
            name="All",
            scopes=every,
            installation=True,
            user_id=operator.id,
        )
    for company in (made.a, made.b):
        app.parts.snapshots.invalidate(company.id)
        company.admin = await _token(made, f"admin@{company.name}.test")
        company.user = await _token(made, f"user@{company.name}.test")
        await made.receive(company, f"551190000000{company.id}", f"hello {company.name}")
        await _remember_ticket(made, company)
    made.super = await _token(made, "root@a.test")


async def _company(world: World, name: str, hashed: str) -> Company:
    parts = world.app.parts
    admin = NewUser(name="Admin", email=f"admin@{name}.test", password_hash=hashed, profile="admin")
    new = NewCompany(name=name, email=f"office@{name}.test")
    founded = await create_company(parts.database, new, admin)
    company_id = founded.company.id
    async with parts.database.begin(company_id) as tx:
        department = await departments.create(
            tx, company_id, DepartmentPatch(name="Sales", color="#fff")
        )
        members = (department.id,)
        agent = NewUser(
            name="User", email=f"user@{name}.test", password_hash=hashed, department_ids=members
        )
        user = await users.create(tx, company_id, agent)
        await users.change(tx, company_id, user.id, UserPatch(all_ticket=True, all_historic=True))
        tag = await tags.create(tx, company_id, TagPatch(name="vip", color="#f00"))
        simulator = ConnectionPatch(
            name="Simulator", channel="simulator", status="CONNECTED", is_default=True
        )
        connection = await connections.create(tx, company_id, simulator)
        phone_id = f"10000000{company_id}"
        cloud = await connections.create(
            tx,
            company_id,
            ConnectionPatch(
                name="Cloud",
                channel="whatsapp_cloud",
                status="CONNECTED",
                external_account_id=phone_id,
            ),
        )
        kept = ConnectionSecrets(
            webhook_token=f"webhook-token-of-{name}", app_secret=f"secret-of-{name}"
        )
        await connections.write_secrets(tx, company_id, cloud.id, kept, box=parts.box)
        api = ConnectionSecrets(token=f"api-token-of-{name}")
        await connections.write_secrets(tx, company_id, connection.id, api, box=parts.box)
        program = f"chatia_token-of-{name}"
        await api_tokens.create(
            tx,
            company_id,
            program,
            name="Program",
            scopes=sorted(COMPANY_SCOPES),
            user_id=founded.admin.id,
        )
    return Company(
        id=company_id,
        name=name,
        admin_id=founded.admin.id,
        user_id=user.id,
        department_id=department.id,
        connection_id=connection.id,
        cloud_id=cloud.id,
        cloud_token=kept.webhook_token,
        api_token=api.token,
        program=program,
        cloud_secret=kept.app_secret,
        phone_id=phone_id,
        tag_id=tag.id,
        contact_id=ContactId(0),
        ticket_id=TicketId(0),
        message_id=MessageId(0),
        uuid="",
        admin="",
        user="",
    )


async def _token(world: World, email: str) -> str:
    answer = await world.login(email)
    assert answer.status == 200, answer.body
    return answer.json()["token"]


async def _remember_ticket(world: World, company: Company) -> None:
    listed = await world.call("GET", "/tickets", token=company.admin, query="status=pending")
    (ticket,) = listed.json()["tickets"]
    company.contact_id, company.ticket_id = ticket["contactId"], ticket["id"]
    company.uuid = ticket["uuid"]
    page = await world.call(
        "GET", f"/messages/{company.ticket_id}", token=company.admin, query="markAsRead=false"
    )
    company.message_id = page.json()["messages"][-1]["id"]
