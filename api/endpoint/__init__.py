"""Declarative endpoints: a signature is the route, its decoding, its document and its tests."""

from api.endpoint.context import Ctx as Ctx
from api.endpoint.context import PublicCtx as PublicCtx
from api.endpoint.crud import Done as Done
from api.endpoint.crud import crud as crud
from api.endpoint.declaration import Endpoint as Endpoint
from api.endpoint.declaration import Routes as Routes
from api.endpoint.fields import Id as Id
from api.endpoint.fields import Int as Int
from api.endpoint.fields import Page as Page
from api.endpoint.fields import Short as Short
from api.endpoint.fields import Text as Text
from api.endpoint.guards import admin as admin
from api.endpoint.guards import connection as connection
from api.endpoint.guards import public as public
from api.endpoint.guards import signed as signed
from api.endpoint.guards import super_user as super_user
from api.endpoint.guards import user as user
from api.endpoint.guards import webhook as webhook
from api.endpoint.patches import Named as Named
from api.http_types import Raw as Raw
from api.http_types import Reply as Reply
from api.http_types import Request as Request
from api.http_types import Stream as Stream
from api.http_types import Upload as Upload
