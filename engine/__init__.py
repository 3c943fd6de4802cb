"""A small actor engine on trio: typed commands, bounded mailboxes, supervision, virtual actors.

See README.md in this folder for the engine in five minutes, and each module for its contract.
"""

from engine._actor import Actor
from engine._command import Command, Died, Event, Forward
from engine._crash import ParkedCommand
from engine._dead_letters import DeadLetter, DeadLetters
from engine._events import (
    ActorFailed,
    CommandParked,
    EventQueue,
    SlowCommand,
    SupervisorFailed,
)
from engine._handlers import handler
from engine._mailbox import MailboxPolicy
from engine._system import Ref, System, open_system
from engine._telemetry import ActorSnapshot, KindSnapshot, Snapshot, SupervisorSnapshot
from engine._timers import Timer
from engine._tree import Backoff, ChildSpec, RestartBudget, Supervisor, Virtual
from engine._turn import Turn
from engine.errors import (
    ActorCrashed,
    ActorStopped,
    Address,
    AskCycle,
    DeadlineExceeded,
    DefinitionError,
    EngineError,
    MailboxFull,
    NoReply,
    NotAccepted,
    Parked,
    Refusal,
    RestartsExhausted,
    Unavailable,
    UnknownAddress,
)

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorFailed",
    "ActorSnapshot",
    "ActorStopped",
    "Address",
    "AskCycle",
    "Backoff",
    "ChildSpec",
    "Command",
    "CommandParked",
    "DeadLetter",
    "DeadLetters",
    "DeadlineExceeded",
    "DefinitionError",
    "Died",
    "EngineError",
    "Event",
    "EventQueue",
    "Forward",
    "KindSnapshot",
    "MailboxFull",
    "MailboxPolicy",
    "NoReply",
    "NotAccepted",
    "Parked",
    "ParkedCommand",
    "Ref",
    "Refusal",
    "RestartBudget",
    "RestartsExhausted",
    "SlowCommand",
    "Snapshot",
    "Supervisor",
    "SupervisorFailed",
    "SupervisorSnapshot",
    "System",
    "Timer",
    "Turn",
    "Unavailable",
    "UnknownAddress",
    "Virtual",
    "handler",
    "open_system",
]
