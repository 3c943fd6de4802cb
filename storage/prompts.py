"""Prompts: how a language model answers for a department; keys are sealed."""

from typing import Final

import sqlalchemy as sa
from msgspec import field

from storage.ids import DepartmentId
from storage.metadata import number, reference, refers_to, string
from storage.plain_rows import TenantRow, tenant_table
from storage.repo import Repo
from storage.search import by_name

prompts = tenant_table(
    "prompts",
    string("name"),
    string("prompt"),
    string("api_key"),
    number("max_messages", 10),
    number("max_tokens", 100),
    sa.Column("temperature", sa.Double, nullable=False, server_default=sa.text("1")),
    number("prompt_tokens"),
    number("completion_tokens"),
    number("total_tokens"),
    string("voice"),
    string("voice_key"),
    string("voice_region"),
    string("model"),
    reference("department_id"),
    refers_to("department_id", "departments"),
)


class Prompt(TenantRow, frozen=True, kw_only=True, rename="camel"):
    """A prompt with its limits and what it used so far."""

    name: str
    prompt: str
    api_key: str
    max_messages: int
    max_tokens: int
    temperature: float
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    voice: str
    voice_key: str
    voice_region: str
    model: str
    department_id: DepartmentId | None = field(name="queueId")


SECRET: Final = ("api_key", "voice_key")
rows: Final = Repo(prompts, Prompt, by_name(prompts.c.name), search=("name",))
