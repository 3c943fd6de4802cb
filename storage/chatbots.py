"""Chatbots: the menu tree of a department, and where a contact stands in it."""

from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import DepartmentId, UserId
from storage.metadata import belongs_to, flag, number, owner, reference, refers_to, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo

chatbots = tenant_table(
    "chatbots",
    string("name"),
    string("greeting_message"),
    reference("department_id"),
    reference("parent_id"),
    flag("is_agent"),
    string("kind", "text"),
    reference("to_department_id"),
    reference("to_user_id"),
    reference("to_integration_id"),
    reference("to_file_list_id"),
    flag("close_ticket"),
    belongs_to("department_id", "departments"),
    belongs_to("parent_id", "chatbots"),
    refers_to("to_department_id", "departments"),
    refers_to("to_user_id", "users"),
    refers_to("to_integration_id", "queue_integrations"),
    refers_to("to_file_list_id", "file_lists"),
    sa.Index(None, "company_id", "department_id"),
    sa.Index(None, "company_id", "parent_id"),
)

chatbot_dialogs = tenant_table(
    "chatbot_dialogs",
    number("awaiting"),
    owner("contact_id"),
    reference("department_id"),
    reference("chatbot_id"),
    belongs_to("contact_id", "contacts"),
    belongs_to("department_id", "departments"),
    belongs_to("chatbot_id", "chatbots"),
    sa.UniqueConstraint("company_id", "contact_id"),
)


class Chatbot(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """An option of the menu: `kind` text, queue, attendent, integration or file, and its target."""

    name: str
    greeting_message: str
    department_id: DepartmentId | None = field(name="queueId")
    parent_id: int | None = field(name="chatbotId")
    is_agent: bool
    kind: str = field(name="queueType")
    to_department_id: DepartmentId | None = field(name="optQueueId")
    to_user_id: UserId | None = field(name="optUserId")
    to_integration_id: int | None = field(name="optIntegrationId")
    to_file_list_id: int | None = field(name="optFileId")
    close_ticket: bool


rows: Final = Repo(chatbots, Chatbot, search=("name",))
