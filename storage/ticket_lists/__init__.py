"""Lists of tickets as a user may see them: visibility, filters and pages."""

from storage.ticket_lists.counts import Counts as Counts
from storage.ticket_lists.pages import TicketKey as TicketKey
from storage.ticket_lists.pages import TicketPage as TicketPage
from storage.ticket_lists.pages import TicketRows as TicketRows
from storage.ticket_lists.pages import one as one
from storage.ticket_lists.pages import page as page
from storage.ticket_lists.sight import PAGE as PAGE
from storage.ticket_lists.sight import SHARED as SHARED
from storage.ticket_lists.sight import Placed as Placed
from storage.ticket_lists.sight import TicketFilter as TicketFilter
from storage.ticket_lists.sight import Viewer as Viewer
from storage.ticket_lists.sight import may_see as may_see
