"""Integrations: bots and systems of others that a company uses; credentials are sealed."""

from typing import Final

from msgspec import field

from storage.metadata import flag, number, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name

queue_integrations = tenant_table(
    "queue_integrations",
    string("type"),
    string("name"),
    string("project_name"),
    string("json_content"),
    string("url"),
    string("language"),
    string("typebot_slug"),
    number("typebot_expires"),
    string("typebot_finish"),
    string("typebot_unknown"),
    number("typebot_delay", 1000),
    string("typebot_restart"),
    string("typebot_restarted"),
)

integrations = tenant_table(
    "integrations",
    string("type"),
    string("name"),
    string("project_name"),
    string("json_content"),
    flag("is_active"),
    string("url"),
    string("language"),
    string("token"),
    string("phone"),
    string("login"),
    string("password"),
    number("initial_month"),
)


class QueueIntegration(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A bot that answers tickets: dialogflow, n8n, webhook, typebot or flowbuilder."""

    type: str
    name: str
    project_name: str
    json_content: str
    url: str = field(name="urlN8N")
    language: str
    typebot_slug: str
    typebot_expires: int
    typebot_finish: str = field(name="typebotKeywordFinish")
    typebot_unknown: str = field(name="typebotUnknownMessage")
    typebot_delay: int = field(name="typebotDelayMessage")
    typebot_restart: str = field(name="typebotKeywordRestart")
    typebot_restarted: str = field(name="typebotRestartMessage")


QUEUE_SECRET: Final = ("json_content",)
queues: Final = Repo(
    queue_integrations,
    QueueIntegration,
    by_name(queue_integrations.c.name),
    search=("name", "type"),
)
