"""Static pages without a build step: the console of agents and operators, and the API page."""

from api.console.routes import console as console
from api.console.routes import docs as docs
