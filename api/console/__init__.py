"""The console: one static page for agents and operators, served without a build step."""

from api.console.routes import console as console
