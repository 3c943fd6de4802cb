"""Sessions: what leaves by a connection, and what its provider reports about it."""

from actors.sessions.commands import ApplyStatuses as ApplyStatuses
from actors.sessions.commands import CancelSend as CancelSend
from actors.sessions.commands import ConnectionRenewed as ConnectionRenewed
from actors.sessions.commands import HandOver as HandOver
from actors.sessions.commands import ProviderIdsKnown as ProviderIdsKnown
from actors.sessions.commands import ResolveUnknown as ResolveUnknown
from actors.sessions.commands import SessionCommand as SessionCommand
from actors.sessions.commands import ShowComposing as ShowComposing
from actors.sessions.commands import StartSession as StartSession
from actors.sessions.commands import StatusesApplied as StatusesApplied
from actors.sessions.commands import StopSession as StopSession
