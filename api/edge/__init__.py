"""The one-port HTTP/1.1 edge: strict heads, bounded everything, plain ASGI behind it.

`serve_edge` accepts connections and speaks HTTP/1.1 (RFC 9110, RFC 9112) to an ASGI application.
A request that a strict parser must refuse is answered with a 4xx and its connection is closed, so
that no two parties can disagree about where a request ends.
"""

from api.edge.limits import EdgeLimits as EdgeLimits
from api.edge.server import EdgeServer as EdgeServer
from api.edge.server import open_listeners as open_listeners
from api.edge.server import serve_edge as serve_edge
