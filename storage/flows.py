"""The flow builder's rows: flows, their pictures and sounds, what starts them."""

from typing import Any, Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import ConnectionId, UserId
from storage.metadata import (
    belongs_to,
    document,
    flag,
    optional,
    owner,
    reference,
    refers_to,
    string,
)
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name

flows = tenant_table(
    "flows",
    reference("user_id"),
    string("name"),
    flag("active", default=True),
    document("flow"),
    document("variables"),
    refers_to("user_id", "users"),
    sa.UniqueConstraint("company_id", "name"),
)
flow_images = tenant_table(
    "flow_images",
    reference("user_id"),
    string("name"),
    optional("path"),
    refers_to("user_id", "users"),
)
flow_audios = tenant_table(
    "flow_audios",
    reference("user_id"),
    string("name"),
    optional("path"),
    refers_to("user_id", "users"),
)
flow_campaigns = tenant_table(
    "flow_campaigns",
    reference("user_id"),
    string("name"),
    owner("flow_id"),
    string("phrase"),
    reference("connection_id"),
    flag("status", default=True),
    refers_to("user_id", "users"),
    belongs_to("flow_id", "flows"),
    refers_to("connection_id", "connections"),
    sa.Index(None, "company_id", "phrase"),
)
flow_defaults = tenant_table(
    "flow_defaults",
    reference("user_id"),
    reference("welcome_flow_id"),
    reference("phrase_flow_id"),
    refers_to("user_id", "users"),
    refers_to("welcome_flow_id", "flows"),
    refers_to("phrase_flow_id", "flows"),
    sa.UniqueConstraint("company_id"),
)


class Flow(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A drawn flow: nodes and edges in `flow`, as the builder keeps them."""

    user_id: UserId | None = field(name="user_id")
    name: str
    active: bool
    flow: dict[str, Any] | None
    variables: dict[str, Any] | None


class FlowFile(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A picture or sound that flows send."""

    user_id: UserId | None
    name: str
    path: str | None


class FlowCampaign(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A phrase that starts a flow."""

    user_id: UserId | None
    name: str
    flow_id: int
    phrase: str
    connection_id: ConnectionId | None = field(name="whatsappId")
    status: bool


class FlowDefault(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """Which flows start for a new contact, and for a phrase that starts none."""

    user_id: UserId | None
    welcome_flow_id: int | None = field(name="flowIdWelcome")
    phrase_flow_id: int | None = field(name="flowIdNotPhrase")


rows: Final = Repo(flows, Flow, by_name(flows.c.name), search=("name",))
images: Final = Repo(flow_images, FlowFile)
audios: Final = Repo(flow_audios, FlowFile)
starts: Final = Repo(flow_campaigns, FlowCampaign, search=("name", "phrase"))
defaults: Final = Repo(flow_defaults, FlowDefault)
