"""Routes of the family whose behaviour is not built yet: declared, and answered with 501.

Nothing here pretends: no row is written, no message sent, no payment noted. A route leaves this
list when its module declares it.
"""

import inspect
from typing import Final

from api.endpoint import Ctx, PublicCtx, Routes, admin, public, super_user, user
from api.endpoint.guards import Guard
from api.errors import NotAvailable

routes = Routes(tag="later")

LATER: Final[tuple[tuple[str, str, Guard, str], ...]] = (
    # contacts and messages
    ("GET", "/contacts/profile/{key}", user, "Look a contact up at the channel"),
    ("GET", "/messages/transcribeAudio/{key}", user, "Write a voice message down"),
    # payments
    ("POST", "/subscription", admin, "Start paying an invoice"),
    ("POST", "/subscription/create/webhook", super_user, "Register a payment webhook"),
    ("POST", "/subscription/asaaswebhook/{key}", public, "Take an Asaas notice"),
    ("POST", "/subscription/asaaswebhook", public, "Take an Asaas notice without a type"),
    ("POST", "/subscription/mercadopagowebhook/{key}", public, "Take a Mercado Pago notice"),
    ("POST", "/subscription/mercadopagowebhook", public, "Take one without a type"),
    ("POST", "/subscription/stripewebhook/{key}", public, "Take a Stripe notice"),
    ("POST", "/subscription/stripewebhook", public, "Take a Stripe notice without a type"),
    ("POST", "/subscription/webhook/{key}", public, "Take an Efi notice"),
    ("POST", "/subscription/webhook", public, "Take an Efi notice without a type"),
    ("POST", "/subscription/webhook/pix/{key}", public, "Take a Pix notice"),
    # WhatsApp Web, Meta pages
    ("POST", "/closedimported/{connection_id}", admin, "Close the tickets of a history import"),
    ("POST", "/facebook", admin, "Connect Facebook pages"),
    ("GET", "/whatsapp/privacy/{connection_id}", admin, "Show a number's privacy"),
    ("PUT", "/whatsapp/privacy/{connection_id}", admin, "Change a number's privacy"),
    ("GET", "/whatsappsession/refresh/{connection_id}", user, "Ask for a new QR code"),
    ("POST", "/whatsappsession/{connection_id}/reset", admin, "Forget a session's keys"),
    (
        "POST",
        "/whatsappsession/{connection_id}/capture-token",
        admin,
        "Take a session over from a browser",
    ),
    # what another fork does to its own machine
    ("POST", "/build-capture-extension", super_user, "Build the browser extension"),
    ("POST", "/restart", super_user, "Restart the server"),
    ("GET", "/docker/containers", super_user, "List containers"),
    ("GET", "/docker/containers/{key}/check-update", super_user, "Look for a newer image"),
    ("POST", "/docker/containers/{key}/restart", super_user, "Restart a container"),
    ("POST", "/docker/containers/{key}/update", super_user, "Update a container"),
    ("GET", "/docker/status", super_user, "Tell whether containers can be managed"),
    ("GET", "/docker/updates/daily-check", super_user, "Show the daily look for updates"),
    ("POST", "/docker/updates/refresh", super_user, "Look for updates"),
    ("POST", "/docker/updates/update-all", super_user, "Update every container"),
)
"""Method, path, who may ask once it is built, what it is for."""


def _declare(method: str, path: str, guard: Guard, summary: str) -> None:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    context = PublicCtx if guard.public else Ctx

    async def handler(ctx: PublicCtx, **_: object) -> None:
        raise NotAvailable  # the dispatcher says so before, to those who may ask

    hints: dict[str, object] = {name: int if name.endswith("_id") else str for name in names}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("ctx", *names)]
    handler.__annotations__ = {"ctx": context, **hints, "return": None}
    handler.__dict__["__signature__"] = inspect.Signature(parameters)
    handler.__name__ = handler.__qualname__ = _name(method, path)
    handler.__doc__ = f"{summary}."
    routes.route(method, path, guard=guard, built=False)(handler)


def _name(method: str, path: str) -> str:
    parts = [part.strip("{}").replace("-", "_") for part in path.split("/") if part]
    return "_".join([method.lower(), *parts])


for _row in LATER:
    _declare(*_row)
