"""The router of a company: which contact a conversation belongs to, and the contacts' one writer."""

from actors.router.commands import MOST_IMPORTED as MOST_IMPORTED
from actors.router.commands import CreateContact as CreateContact
from actors.router.commands import CustomField as CustomField
from actors.router.commands import DeleteContact as DeleteContact
from actors.router.commands import DeliverInbound as DeliverInbound
from actors.router.commands import EnsureContact as EnsureContact
from actors.router.commands import ImportContacts as ImportContacts
from actors.router.commands import LearnIdentity as LearnIdentity
from actors.router.commands import MergeContacts as MergeContacts
from actors.router.commands import NewContact as NewContact
from actors.router.commands import RouterCommand as RouterCommand
from actors.router.commands import UpdateContact as UpdateContact
