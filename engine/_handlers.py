"""Registration and checking of handlers, from their annotations, at class creation."""

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from engine._command import Command, Died, Forward
from engine._turn import Turn
from engine.errors import DefinitionError

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__handler_options__"


@dataclass(frozen=True, slots=True)
class _Options:
    fold: int = 0
    reentrant: bool = False


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """One registered handler: the plain function, and how it wants its commands."""

    command_type: type[Command[Any]]
    function: Callable[..., Any]
    fold: int
    reentrant: bool


@dataclass(slots=True)
class Handlers:
    """All handlers of an actor class, by exact command type.

    `plain` serves the hot path: handlers that take one command and never interleave.
    """

    specs: dict[type, HandlerSpec] = field(default_factory=dict)
    plain: dict[type, Callable[..., Any]] = field(default_factory=dict)
    reentrant: frozenset[type] = frozenset()


@overload
def handler(function: F, /) -> F: ...
@overload
def handler(*, fold: int = 0, reentrant: bool = False) -> Callable[[F], F]: ...
def handler(function: Any = None, /, *, fold: int = 0, reentrant: bool = False) -> Any:
    """Mark an async method as the handler of the command its parameter is annotated with.

    fold       hand over a run of up to `fold` queued commands of this type in one call, as
               `Sequence[Turn[C]]`; each turn is settled (or deferred) on its own
    reentrant  for reads only: may run while another handler of this actor awaits. It still waits
               its turn behind earlier queued commands
    """
    if fold < 0 or (fold and reentrant):
        message = "fold must be positive and excludes reentrant"
        raise DefinitionError(message)
    options = _Options(fold=fold, reentrant=reentrant)

    def mark(target: F) -> F:
        setattr(target, _MARK, options)
        return target

    return mark if function is None else mark(function)


def is_handler(value: object) -> bool:
    """Whether something found in a class was marked with `handler`."""
    return hasattr(value, _MARK)


def collect_handlers(cls: type, accepts: type[Command[Any]] | None) -> Handlers:
    """Build and check the handler table of an actor class.

    Raises:
        DefinitionError: a handler is malformed, doubled, missing, or of the wrong reply type.
    """
    specs: dict[type, HandlerSpec] = {}
    for name, function in _marked(cls):
        spec = _spec_of(cls, name, function)
        if spec.command_type in specs:
            message = f"{cls.__name__}: two handlers for {spec.command_type.__name__}"
            raise DefinitionError(message)
        specs[spec.command_type] = spec
    if accepts is not None:
        _check_accepts(cls, accepts, specs)
    plain = {t: s.function for t, s in specs.items() if not s.fold and not s.reentrant}
    return Handlers(specs, plain, frozenset(t for t, s in specs.items() if s.reentrant))


def reply_type(command_type: type[Command[Any]]) -> Any:
    """The reply type a command class names: `str` for `class Ask(Command[str])`.

    Raises:
        DefinitionError: the class names none.
    """
    found = _argument_of(command_type)
    if isinstance(found, TypeVar):
        message = f"{command_type.__name__} does not name its reply type"
        raise DefinitionError(message)
    return found


def concrete_commands(root: type[Command[Any]]) -> Iterator[type[Command[Any]]]:
    """All non-generic leaf classes below `root`, itself included."""
    below = root.__subclasses__()
    if not below and not getattr(root, "__parameters__", ()):
        yield root
    for sub in below:
        yield from concrete_commands(sub)


def _argument_of(command_type: type) -> Any:
    """The argument bound to Command's parameter, followed up through generic bases."""
    if command_type is Command:
        return Command.__parameters__[0]  # type: ignore[attr-defined]
    bases = command_type.__dict__.get("__orig_bases__", command_type.__bases__)
    for base in bases:
        origin = get_origin(base) or base
        if not (isinstance(origin, type) and issubclass(origin, Command)):
            continue
        argument = _argument_of(origin)
        parameters = getattr(origin, "__parameters__", ())
        if isinstance(argument, TypeVar) and argument in parameters and get_args(base):
            return get_args(base)[parameters.index(argument)]
        return argument
    message = f"{command_type!r} is not a Command"
    raise DefinitionError(message)


def _marked(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Handlers of the class, an overridden one only once, in order of definition."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        for name, value in vars(owner).items():
            if is_handler(value) and name not in seen:
                yield name, value
            seen.add(name)


def _spec_of(cls: type, name: str, function: Callable[..., Any]) -> HandlerSpec:
    where = f"{cls.__name__}.{name}"
    options: _Options = getattr(function, _MARK)
    if not inspect.iscoroutinefunction(function):
        message = f"{where}: a handler is an async method"
        raise DefinitionError(message)
    parameters = list(inspect.signature(function).parameters.values())
    try:
        hints = get_type_hints(function)
    except NameError as error:
        message = f"{where}: annotation cannot be resolved: {error}"
        raise DefinitionError(message) from error
    if len(parameters) != 2 or parameters[1].name not in hints or "return" not in hints:
        message = f"{where}: a handler takes one annotated command and has a return annotation"
        raise DefinitionError(message)
    command_type = _command_of(where, hints[parameters[1].name], bool(options.fold))
    _check_reply(where, command_type, hints["return"], bool(options.fold))
    return HandlerSpec(command_type, function, options.fold, options.reentrant)


def _command_of(where: str, hint: Any, fold: bool) -> type[Command[Any]]:
    if fold:
        inner = get_args(hint)
        turn = inner[0] if get_origin(hint) is Sequence and inner else None
        if get_origin(turn) is not Turn:
            message = f"{where}: a fold handler takes Sequence[Turn[SomeCommand]]"
            raise DefinitionError(message)
        hint = get_args(turn)[0]
    if not (isinstance(hint, type) and issubclass(hint, Command)):
        message = f"{where}: {hint!r} is not a Command class"
        raise DefinitionError(message)
    return hint


def _check_reply(where: str, command_type: type[Command[Any]], hint: Any, fold: bool) -> None:
    expected = type(None) if fold else _normal(reply_type(command_type))
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    returned = []
    for member in members:
        if get_origin(member) is Forward:
            if _normal(get_args(member)[0]) != expected:
                message = f"{where}: forwards {member}, but replies must be {expected}"
                raise DefinitionError(message)
        else:
            returned.append(_normal(member))
    wanted = get_args(expected) if get_origin(expected) in (Union, types.UnionType) else (expected,)
    if Any in wanted or object in wanted or all(_fits(r, wanted) for r in returned):
        return
    message = f"{where}: returns {hint}, but {command_type.__name__} names {expected}"
    raise DefinitionError(message)


def _normal(hint: Any) -> Any:
    return type(None) if hint is None else hint


def _fits(returned: Any, wanted: tuple[Any, ...]) -> bool:
    return any(
        returned == want
        or (isinstance(returned, type) and isinstance(want, type) and issubclass(returned, want))
        for want in map(_normal, wanted)
    )


def _check_accepts(cls: type, accepts: type[Command[Any]], specs: dict[type, HandlerSpec]) -> None:
    for command_type in specs:
        if not issubclass(command_type, accepts) and command_type is not Died:
            message = f"{cls.__name__} accepts {accepts.__name__}, not {command_type.__name__}"
            raise DefinitionError(message)
    missing = [c.__name__ for c in concrete_commands(accepts) if c not in specs]
    if missing:
        message = f"{cls.__name__}: no handler for {', '.join(sorted(missing))}"
        raise DefinitionError(message)
