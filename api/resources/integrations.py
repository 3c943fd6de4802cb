"""Integrations: bots of others that answer a department's tickets."""

from api.endpoint import Ctx, crud
from storage import integrations

routes = crud(
    "/queueIntegration",
    integrations.queues,
    noun="queue_integration",
    missing="ERR_NO_INTEGRATION_FOUND",
    plural="queueIntegrations",
    only=("page", "show", "create", "change", "delete"),
    needs=("type", "name"),
    filters={"type": str},
    secret=integrations.QUEUE_SECRET,
    feature="use_integrations",
)


@routes.post("/testSession", built=False)
async def test_session(ctx: Ctx) -> None:
    """Try an integration's credentials."""
