"""One view Struct per wire noun, with the family's names, for REST replies and events alike.

A view is built from records and the company's snapshot, without the database.
"""

from storage.views.companies import CompanyView as CompanyView
from storage.views.companies import PlanView as PlanView
from storage.views.companies import company_view as company_view
from storage.views.companies import plan_view as plan_view
from storage.views.connections import ConnectionView as ConnectionView
from storage.views.connections import connection_view as connection_view
from storage.views.contacts import ContactView as ContactView
from storage.views.contacts import contact_view as contact_view
from storage.views.departments import DepartmentView as DepartmentView
from storage.views.departments import department_view as department_view
from storage.views.messages import MessageView as MessageView
from storage.views.messages import message_view as message_view
from storage.views.settings import COMPANY_SETTING_FIELDS as COMPANY_SETTING_FIELDS
from storage.views.settings import CompanySettingsView as CompanySettingsView
from storage.views.settings import SettingView as SettingView
from storage.views.settings import company_settings_view as company_settings_view
from storage.views.settings import setting_view as setting_view
from storage.views.tickets import TicketView as TicketView
from storage.views.tickets import ticket_view as ticket_view
from storage.views.users import UserView as UserView
from storage.views.users import user_view as user_view
