"""Whether the caller's company has paid for what is asked: its plan's switches, its due date."""

from datetime import UTC, datetime, timedelta

from api.endpoint.declaration import Endpoint
from api.errors import Detail, NotInPlan, PaymentRequired
from api.parts import Parts
from api.principal import Principal
from storage.plans import Feature
from storage.settings import INSTALLATION
from storage.snapshots import CompanySnapshot
from storage.time_zones import zone


async def check_coverage(endpoint: Endpoint, principal: Principal, parts: Parts) -> None:
    """Raises NotInPlan or PaymentRequired when the company may not use `endpoint` now.

    The company that runs the installation owes nobody.
    """
    if not endpoint.paid and endpoint.feature is None:
        return
    company_id = principal.company_id
    snapshot = parts.snapshots.peek(company_id) or await parts.snapshots.current(company_id)
    if endpoint.paid and company_id != INSTALLATION and overdue(snapshot, datetime.now(UTC)):
        raise PaymentRequired
    if endpoint.feature is not None:
        require(snapshot, endpoint.feature)


def require(snapshot: CompanySnapshot, feature: Feature) -> None:
    """Raises NotInPlan when the company's plan has `feature` switched off."""
    if not getattr(snapshot.features, feature):
        raise NotInPlan(Detail(f"$.plan.{_wire(feature)}", "not in this plan"))


def overdue(snapshot: CompanySnapshot, now: datetime) -> bool:
    """Whether the due day and the days of grace after it are over by the company's calendar.

    Due dates are written as days, so the day that UTC names is the one that was meant.
    """
    due = snapshot.company.due_date
    if due is None:
        return False
    last = due.astimezone(UTC).date() + timedelta(days=snapshot.grace_days)
    return now.astimezone(zone(snapshot.company.timezone)).date() > last


def _wire(feature: Feature) -> str:
    first, *rest = feature.split("_")
    return first + "".join(word.capitalize() for word in rest)
