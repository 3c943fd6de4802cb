"""Typed ids: a ticket's id cannot be passed where a contact's is wanted."""

from typing import NewType

CompanyId = NewType("CompanyId", int)
PlanId = NewType("PlanId", int)
UserId = NewType("UserId", int)
DepartmentId = NewType("DepartmentId", int)
ConnectionId = NewType("ConnectionId", int)
ContactId = NewType("ContactId", int)
TicketId = NewType("TicketId", int)
MessageId = NewType("MessageId", int)
OldMessageId = NewType("OldMessageId", int)
OutboxId = NewType("OutboxId", int)
TagId = NewType("TagId", int)
TrackingId = NewType("TrackingId", int)
LogId = NewType("LogId", int)
NoteId = NewType("NoteId", int)
SettingId = NewType("SettingId", int)
CustomFieldId = NewType("CustomFieldId", int)
DeadLetterId = NewType("DeadLetterId", int)
