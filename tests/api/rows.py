"""A row of every plain noun, made through the API as frontends send it."""

from typing import Any

from tests.api.conftest import Company, World


def samples(company: Company, made: dict[str, int]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path parameter, path and body of each noun, in an order in which each finds its parents."""
    return [
        ("quick_message_id", "/quick-messages", {"shortcode": "oi", "message": "Olá", "geral": 1}),
        ("chat_id", "/chats", {"title": "Team", "users": [{"id": company.user_id}]}),
        ("ticket_note_id", "/ticket-notes", {"note": "n", "ticketId": company.ticket_id}),
        (
            "schedule_id",
            "/schedules",
            {"body": "b", "sendAt": "2030-01-01T10:00", "contactId": company.contact_id},
        ),
        ("contact_list_id", "/contact-lists", {"name": "Customers"}),
        (
            "contact_list_item_id",
            "/contact-list-items",
            {"name": "A", "number": "5511", "contactListId": made.get("contact_list_id")},
        ),
        ("file_list_id", "/files", {"name": "f", "message": "m", "options": [{"name": "o"}]}),
        ("campaign_id", "/campaigns", {"name": "c", "contactListId": made.get("contact_list_id")}),
        (
            "prompt_id",
            "/prompt",
            {"name": "p", "prompt": "be kind", "apiKey": "sk-1234567890abcdef"},
        ),
        ("queue_integration_id", "/queueIntegration", {"type": "n8n", "name": "n"}),
        (
            "department_option_id",
            "/queue-options",
            {"title": "o", "queueId": company.department_id},
        ),
        ("chatbot_id", "/chatbot", {"name": "c", "queueId": company.department_id}),
        ("flow_id", "/flowbuilder", {"name": "f"}),
        (
            "flow_campaign_id",
            "/flowcampaign",
            {"name": "f", "phrase": "hi", "flowId": made.get("flow_id")},
        ),
        ("scheduled_message_id", "/schedules-message", {"nome": "n", "mensagem": "m"}),
    ]


OPERATORS = {
    "announcement_id": ("/announcements", {"title": "t", "text": "x"}),
    "help_id": ("/helps", {"title": "t"}),
    "partner_id": ("/api/partners", {"name": "Ana & Co", "commission": "10,5"}),
    "plan_id": ("/plans", {"name": "Gold", "amount": "99,90", "users": "3"}),
}
"""Rows of the installation: every company has the same."""


async def stock(world: World) -> None:
    """Give both companies a row of every noun, and the installation its own."""
    shared = {
        key: await _made(world, _operator(world, path), path, body)
        for key, (path, body) in OPERATORS.items()
    }
    for company in (world.a, world.b):
        rows: dict[str, int] = {}
        for place in range(len(samples(company, rows))):
            key, path, body = samples(company, rows)[place]
            rows[key] = await _made(world, company.admin, path, body)
        invoice = {"companyId": company.id, "value": "1.234,50", "dueDate": "2030-01-01"}
        rows["invoice_id"] = await _made(world, world.super, "/invoices", invoice)
        token = {"name": "t", "scopes": ["contacts:read"]}
        rows["api_token_id"] = await _made(world, company.admin, "/api-tokens", token)
        company.rows = rows | shared


def _operator(world: World, path: str) -> str:
    return world.installation if path.startswith("/api/") else world.super


async def _made(world: World, token: str, path: str, body: dict[str, Any]) -> int:
    answer = await world.call("POST", path, body, token=token)
    assert answer.status == 200, (path, answer.status, answer.body)
    return answer.json()["id"]
