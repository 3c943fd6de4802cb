"""Commands carry the act they belong to: what their actor commits is then noted as that act's.

A command made while somebody acts (`storage.acts.acting`) takes the act along by itself; `handler`
puts it in force again around the actor's own handler. Commands of inbound traffic carry none.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

import engine
from storage.acts import acting

F = TypeVar("F", bound=Callable[..., Any])


@overload
def handler(function: F, /) -> F: ...
@overload
def handler(*, fold: int) -> Callable[[F], F]: ...
def handler(function: Any = None, /, *, fold: int = 0) -> Any:
    """The engine's `handler`, for commands with an `act`; folded runs see to it themselves."""
    if function is None:
        return engine.handler(fold=fold)

    @wraps(function)
    async def under_act(self: Any, command: Any) -> Any:
        if command.act is None:
            return await function(self, command)
        with acting(command.act):
            return await function(self, command)

    return engine.handler(under_act)
