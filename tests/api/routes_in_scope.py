"""The routes in scope, with where each comes from, kept here so that none is forgotten.

S: the closest analogue's own routes; T, S of a frontend: what those browsers call besides; F: the
newest frontend's, of login, inbox, settings and connections. `{}` is any variable part. `501` is
a route whose behaviour belongs to later work; taking the mark off is part of building it.

Two calls of the static lists are left out: `GET /messages` and `GET /tickets/u` are the beginnings
of `/messages/{}` and `/tickets/u/{}`, cut where the address is computed.
"""

IN_SCOPE = """
GET / S
POST / S
GET /announcements S
POST /announcements S
GET /announcements/list S
DELETE /announcements/{} S
GET /announcements/{} S
PUT /announcements/{} S
DELETE /announcements/{}/media-upload S
POST /announcements/{}/media-upload S
GET /api/companies S
POST /api/companies S
DELETE /api/companies/{} S
GET /api/companies/{} S
PUT /api/companies/{} S
PUT /api/companies/{}/schedules S
GET /api/companiesEmail/{} S
GET /api/contacts S
GET /api/contacts-count S
GET /api/helps S
POST /api/helps S
DELETE /api/helps/{} S
GET /api/helps/{} S
PUT /api/helps/{} S
GET /api/invoices S
POST /api/invoices S
DELETE /api/invoices/{} S
GET /api/invoices/{} S
PUT /api/invoices/{} S
GET /api/invoicesCompany/{} S
POST /api/messages/checkNumber S
POST /api/messages/send S
POST /api/messages/send/linkImage S
GET /api/messagesRange S
GET /api/partners S
POST /api/partners S
DELETE /api/partners/{} S
GET /api/partners/{} S
PUT /api/partners/{} S
GET /api/plans S
POST /api/plans S
DELETE /api/plans/{} S
GET /api/plans/{} S
PUT /api/plans/{} S
GET /api/users/{} S
POST /auth/forgot-password F
POST /auth/impersonate/back T
GET /auth/impersonate/{} T
POST /auth/login S
DELETE /auth/logout S
GET /auth/me S
POST /auth/refresh_token S
POST /auth/reset-password F
POST /auth/signup S
POST /build-capture-extension T 501
GET /campaign-settings S
POST /campaign-settings S
GET /campaigns S
POST /campaigns S
GET /campaigns/list S
DELETE /campaigns/{} S
GET /campaigns/{} S
PUT /campaigns/{} S
POST /campaigns/{}/cancel S 501
DELETE /campaigns/{}/media-upload S
POST /campaigns/{}/media-upload S
POST /campaigns/{}/restart S 501
GET /chatbot S
POST /chatbot S
DELETE /chatbot/{} S
GET /chatbot/{} S
PUT /chatbot/{} S
GET /chats S
POST /chats S
DELETE /chats/{} S
GET /chats/{} S
PUT /chats/{} S
GET /chats/{}/messages S
POST /chats/{}/messages S
POST /chats/{}/read S
POST /closedimported/{} S 501
GET /companies S
POST /companies S
POST /companies/cadastro TS
GET /companies/list S
GET /companies/listPlan/{} S
DELETE /companies/{} S
GET /companies/{} S
PUT /companies/{} S
PUT /companies/{}/schedules S
GET /companiesPlan S
GET /companySettingOne S
GET /companySettingOnePayment S
PUT /companySettings S
GET /companySettings/{} S
GET /contact-list-items S
POST /contact-list-items S
GET /contact-list-items/list S
DELETE /contact-list-items/{} S
GET /contact-list-items/{} S
PUT /contact-list-items/{} S
GET /contact-lists S
POST /contact-lists S
GET /contact-lists/list S
DELETE /contact-lists/{} S
GET /contact-lists/{} S
PUT /contact-lists/{} S
POST /contact-lists/{}/upload S
PUT /contact-wallet/{} S
GET /contacts S
POST /contacts S
GET /contacts-report S
PUT /contacts/block/{} S
GET /contacts/exportCsv T
POST /contacts/findOrInsert T
POST /contacts/import S
POST /contacts/importCsv T
GET /contacts/list S
GET /contacts/profile/{} S 501
PUT /contacts/toggleAcceptAudio/{} S
PUT /contacts/toggleDisableBot/{} S
POST /contacts/upload S
DELETE /contacts/{} S
GET /contacts/{} S
PUT /contacts/{} S
POST /contactsImport S
GET /contactTags/{} S
GET /dashboard S
GET /dashboard/moments S
GET /dashboard/status T
GET /dashboard/tickets T
GET /dashboard/ticketsDay S
GET /dashboard/ticketsUsers S
GET /dashboard/users T
GET /docker/containers T 501
GET /docker/containers/{}/check-update T 501
POST /docker/containers/{}/restart T 501
POST /docker/containers/{}/update T 501
GET /docker/status T 501
GET /docker/updates/daily-check T 501
POST /docker/updates/refresh T 501
POST /docker/updates/update-all T 501
POST /facebook S 501
DELETE /files S
GET /files S
POST /files S
GET /files/list S
POST /files/uploadList/{} S
DELETE /files/{} S
GET /files/{} S
PUT /files/{} S
GET /flowbuilder S
POST /flowbuilder S
PUT /flowbuilder S
POST /flowbuilder/audio S
POST /flowbuilder/content S
POST /flowbuilder/duplicate S
POST /flowbuilder/flow S
GET /flowbuilder/flow/{} S
POST /flowbuilder/img S
DELETE /flowbuilder/{} S
GET /flowbuilder/{} S
GET /flowcampaign S
POST /flowcampaign S
PUT /flowcampaign S
DELETE /flowcampaign/{} S
GET /flowcampaign/{} S
GET /flowdefault S
POST /flowdefault S
PUT /flowdefault S
POST /forgetpassword/{} S
GET /helps S
POST /helps S
GET /helps/list S
DELETE /helps/{} S
GET /helps/{} S
PUT /helps/{} S
GET /invoices S
POST /invoices TS
GET /invoices/all S
GET /invoices/list S
DELETE /invoices/{} TS
GET /invoices/{} S
PUT /invoices/{} S
POST /message/forward S
GET /messages-allMe S
POST /messages/call/{} S
POST /messages/copy/{} S
POST /messages/edit/{} S
POST /messages/forward T
POST /messages/lista/{} S
POST /messages/PIX/{} S
POST /messages/react/{} T
GET /messages/transcribeAudio/{} S 501
POST /messages/url/{} S
DELETE /messages/{} S
GET /messages/{} S
POST /messages/{} S
PUT /messages/{} S
GET /messages/{}/history T
POST /messages/{}/reactions F
GET /plans S
POST /plans S
GET /plans/all S
GET /plans/list S
GET /plans/listpublic T
DELETE /plans/{} S
GET /plans/{} S
PUT /plans/{} S
GET /prompt S
POST /prompt S
DELETE /prompt/{} S
GET /prompt/{} S
PUT /prompt/{} S
GET /public-settings/{} S
GET /queue S
POST /queue S
GET /queue-options S
POST /queue-options S
DELETE /queue-options/{} S
GET /queue-options/{} S
PUT /queue-options/{} S
DELETE /queue-options/{}/media-upload T
POST /queue-options/{}/media-upload TS
DELETE /queue/{} S
GET /queue/{} S
PUT /queue/{} S
DELETE /queue/{}/media-upload TS
POST /queue/{}/media-upload TS
GET /queueIntegration S
POST /queueIntegration S
POST /queueIntegration/testsession S 501
DELETE /queueIntegration/{} S
GET /queueIntegration/{} S
PUT /queueIntegration/{} S
GET /quick-messages S
POST /quick-messages S
GET /quick-messages/list S
DELETE /quick-messages/{} S
GET /quick-messages/{} S
PUT /quick-messages/{} S
DELETE /quick-messages/{}/media-upload S
POST /quick-messages/{}/media-upload S
POST /resetpasswords/{}/{}/{} S
POST /restart T 501
GET /schedules S
POST /schedules S
GET /schedules-message S
POST /schedules-message S
DELETE /schedules-message/{} S
GET /schedules-message/{} S
PUT /schedules-message/{} S
GET /schedules-message/{}/history S
DELETE /schedules/{} S
GET /schedules/{} S
PUT /schedules/{} S
DELETE /schedules/{}/media-upload S
POST /schedules/{}/media-upload S
GET /setting/{} S
PUT /setting/{} S
GET /settings S
POST /settings-whitelabel/logo S
POST /settings/cert-upload S
POST /settings/logo T
POST /settings/privateFile S
POST /settings/publicFile T
GET /settings/{} S
PUT /settings/{} S
PUT /setunredmsg/{} S
POST /subscription S 501
POST /subscription/asaaswebhook/{} S 501
POST /subscription/create/webhook S 501
POST /subscription/mercadopagowebhook/{} S 501
POST /subscription/stripewebhook/{} S 501
POST /subscription/webhook/pix/{} S 501
POST /subscription/webhook/{} S 501
GET /tag/kanban S
GET /tags S
POST /tags S
DELETE /tags-contacts/{}/{} S
GET /tags/kanban S
GET /tags/list S
POST /tags/sync S
DELETE /tags/{} S
GET /tags/{} S
PUT /tags/{} S
GET /ticket-notes S
POST /ticket-notes S
GET /ticket-notes/list S
DELETE /ticket-notes/{} S
GET /ticket-notes/{} S
PUT /ticket-notes/{} S
DELETE /ticket-tags/{} S
PUT /ticket-tags/{}/{} S
GET /ticket/kanban S
GET /ticketreport/reports S
GET /tickets S
POST /tickets S
GET /tickets-log/{} S
POST /tickets/closeAll S
GET /tickets/u/{} S
DELETE /tickets/{} S
GET /tickets/{} S
PUT /tickets/{} S
GET /ticketz/registry T
POST /ticketz/registry T
GET /translations T
POST /translations T
GET /translations/languages T
GET /users S
POST /users S
GET /users/list S
PUT /users/toggleChangeWidht/{} S
DELETE /users/{} S
GET /users/{} S
PUT /users/{} S
POST /users/{}/media-upload S
GET /usersMoments S
GET /version S
POST /version S
DELETE /wavoip/{} T
GET /wavoip/{} T
POST /wavoip/{} T
GET /webhook S
POST /webhook S
GET /whatsapp S
POST /whatsapp S
DELETE /whatsapp-admin/{} S
GET /whatsapp-admin/{} S
PUT /whatsapp-admin/{} S
POST /whatsapp-restart S
GET /whatsapp/all S
GET /whatsapp/filter S
GET /whatsapp/privacy/{} T 501
PUT /whatsapp/privacy/{} T 501
DELETE /whatsapp/{} S
GET /whatsapp/{} S
PUT /whatsapp/{} S
DELETE /whatsapp/{}/media-upload S
POST /whatsapp/{}/media-upload S
DELETE /whatsappsession/admin/{} S
GET /whatsappsession/refresh/{} T 501
DELETE /whatsappsession/{} S
POST /whatsappsession/{} S
PUT /whatsappsession/{} S
POST /whatsappsession/{}/capture-token T 501
POST /whatsappsession/{}/reset T 501
"""
