"""The key and value settings that are known: type, default, whose they are, who sees them.

Every reader of this table is one truth with every other: what a company starts with, what is
accepted, what is sealed, what replies and events show. Settings that are columns declare the same
by the types and defaults of `CompanySettings`. A key that is not here is text for admins; under a
leading `_`, the family's mark of private ones, a secret.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

Visible = Literal["public", "user", "admin", "super"]
"""Who reads a setting: anybody, the company's users, its admins, operators."""


class Kind(msgspec.Struct, frozen=True):
    """A type: `normal` gives the text that is stored, or raises ValueError saying what would do."""

    name: str
    normal: Callable[[str], str]


def choice(*words: str, also: dict[str, str] | None = None) -> Kind:
    """One of some words; `also` are other spellings that clients send."""
    known = {word.lower(): word for word in words} | (also or {})

    def normal(text: str) -> str:
        found = known.get(text.strip().lower())
        if found is None:
            message = " or ".join(words)
            raise ValueError(message)
        return found

    return Kind("|".join(words), normal)


def number(low: int, high: int) -> Kind:
    """A whole number; empty is unset."""

    def normal(text: str) -> str:
        digits = text.strip()
        if not digits:
            return ""
        fits = digits.isascii() and digits.isdigit() and len(digits) <= 12
        if not (fits and low <= int(digits) <= high):
            message = f"a number from {low} to {high}"
            raise ValueError(message)
        return str(int(digits))

    return Kind(f"{low}..{high}", normal)


def _json(text: str) -> str:
    if text.strip():
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            message = "JSON"
            raise ValueError(message) from error
    return text


def _no_text(text: str) -> str:
    if text:
        message = "a file, which is uploaded"
        raise ValueError(message)
    return text


def _text(text: str) -> str:
    return text


YES = {"true": "enabled", "1": "enabled", "false": "disabled", "0": "disabled", "": "disabled"}
FLAG: Final = choice(
    "enabled", "disabled", also={**YES, "enable": "enabled", "disable": "disabled"}
)
TRUTH: Final = choice(
    "true", "false", also={"1": "true", "enabled": "true", "0": "false", "disabled": "false"}
)
MINUTES: Final = number(0, 525_600)
DAYS: Final = number(0, 9_999)
MEBIBYTES: Final = number(1, 4_096)
JSON: Final = Kind("json", _json)
TEXT: Final = Kind("text", _text)
FILE: Final = Kind("file", _no_text)


class SettingKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key. `seeded` ones are written when their company is founded."""

    kind: Kind = TEXT
    default: str = ""
    installation: bool = False
    visible: Visible = "user"
    secret: bool = False
    seeded: bool = False


def _flag(default: str = "disabled", *, seeded: bool = False) -> SettingKey:
    return SettingKey(kind=FLAG, default=default, seeded=seeded)


def _of(kind: Kind, default: str = "") -> SettingKey:
    return SettingKey(kind=kind, default=default)


_SECRET: Final = SettingKey(visible="admin", secret=True)
UNTYPED: Final = SettingKey()

_COMPANY: Final[dict[str, SettingKey]] = {
    # how tickets are handled, under the names of the older line
    "chatBotType": _of(choice("text", "list", "button"), "text"),
    "scheduleType": _of(choice("disabled", "company", "connection", "queue"), "disabled"),
    "userRating": _flag(),
    "CheckMsgIsGroup": _flag("enabled"),
    "call": _flag(),
    "acceptCallWhatsapp": _flag("enabled"),
    "callRejectSendMessage": _flag("enabled"),
    "callRejectMessage": UNTYPED,
    "sendGreetingAccepted": _flag("enabled"),
    "sendGreetingAcceptedMessage": UNTYPED,
    "sendMsgTransfTicket": _flag(),
    "sendMsgTransfTicketMessage": UNTYPED,
    "sendGreetingMessageOneQueues": _flag("enabled"),
    "sendQueuePosition": _flag(),
    "allTicket": _flag(),
    "timeCreateNewTicket": _of(MINUTES, "0"),
    "campaignsEnabled": SettingKey(kind=TRUTH, default="true", seeded=True),
    "finalizacaoVendaAtiva": _of(TRUTH, "false"),
    # time limits
    "autoReopenTimeout": _of(MINUTES, "0"),
    "noQueueTimeout": _of(MINUTES, "0"),
    "noQueueTimeoutAction": _of(number(0, 2**31 - 1), "0"),
    "openTicketTimeout": _of(MINUTES, "0"),
    "openTicketTimeoutAction": _of(choice("pending", "closed"), "pending"),
    "chatbotTicketTimeout": _of(MINUTES, "0"),
    "chatbotTicketTimeoutAction": _of(number(0, 2**31 - 1), "0"),
    "ratingsTimeout": _of(MINUTES, "5"),
    "outOfHoursAction": SettingKey(
        kind=choice("pending", "closed"), default="pending", seeded=True
    ),
    # what agents see
    "chatbotAutoExit": _flag(seeded=True),
    "showNumericIcons": _flag(seeded=True),
    "keepUserAndQueue": _flag("enabled", seeded=True),
    "groupsTab": _flag(seeded=True),
    "soundGroupNotifications": _flag(seeded=True),
    "tagsMode": SettingKey(kind=choice("ticket", "contact", "both"), default="ticket", seeded=True),
    "messageVisibility": SettingKey(
        kind=choice("message", "ticket"), default="message", seeded=True
    ),
    "quickMessages": SettingKey(
        kind=choice("individual", "company"), default="individual", seeded=True
    ),
    "ticketAcceptedMessage": UNTYPED,
    "transferMessage": UNTYPED,
    # messages at certain times
    "outsidemessage": UNTYPED,
    "holidayPeriodEnabled": _flag(),
    "holidayPeriodAllowQueueFlow": _flag(),
    "birthdayReminderEnabled": _flag(),
    "birthdayReminderTime": UNTYPED,
    "birthdayMessage": UNTYPED,
    "suppressionTagNames": _of(JSON),
    # others' services
    "audioTranscriptions": _flag(),
    "aiProvider": _of(choice("openai", "groq"), "openai"),
    "openaiModel": UNTYPED,
    "openAiKey": _SECRET,
    "openaikeyaudio": _SECRET,
    "apiTranscription": SettingKey(visible="admin"),
    "apiToken": _SECRET,
    "asaas": _SECRET,
    "ipixc": SettingKey(visible="admin"),
    "tokenixc": _SECRET,
    "ipmkauth": SettingKey(visible="admin"),
    "clientidmkauth": _SECRET,
    "clientsecretmkauth": _SECRET,
    "ipsgp": SettingKey(visible="admin"),
    "tokensgp": _SECRET,
    "appsgp": SettingKey(visible="admin"),
}

_PUBLIC: Final = SettingKey(installation=True, visible="public")
_OPERATORS: Final = SettingKey(installation=True, visible="super")
_PAYMENT: Final = SettingKey(installation=True, visible="super", secret=True)


_CERTIFICATE: Final = SettingKey(kind=FILE, installation=True, visible="super", secret=True)


def _everybody(kind: Kind, default: str, *, seeded: bool = False) -> SettingKey:
    return SettingKey(kind=kind, default=default, installation=True, seeded=seeded)


def _operators(kind: Kind, default: str = "") -> SettingKey:
    return SettingKey(kind=kind, default=default, installation=True, visible="super")


_INSTALLATION: Final[dict[str, SettingKey]] = {
    "allowSignup": SettingKey(
        kind=FLAG, default="disabled", installation=True, visible="public", seeded=True
    ),
    "userCreation": _everybody(FLAG, "disabled", seeded=True),
    "wtV": _everybody(FLAG, "disabled", seeded=True),
    "downloadLimit": _everybody(MEBIBYTES, "64", seeded=True),
    "uploadLimit": _everybody(MEBIBYTES, "64"),
    "enabledLanguages": _everybody(JSON, ""),
    "defaultLanguage": _everybody(TEXT, ""),
    "trialExpiration": _operators(DAYS, "3"),
    "gracePeriod": _operators(DAYS, "0"),
    "useMultiThreadedWbot": _operators(FLAG, "disabled"),
    "SAVED_FILTER_CRON": _OPERATORS,
    "SAVED_FILTER_TZ": _OPERATORS,
    "ticketz_registry": _operators(JSON),
    # white label
    "appName": _PUBLIC,
    "primaryColorLight": _PUBLIC,
    "primaryColorDark": _PUBLIC,
    "appLogoLight": _PUBLIC,
    "appLogoDark": _PUBLIC,
    "appLogoFavicon": _PUBLIC,
    "loginPageLinks": _PUBLIC,
    "loginSidePanelImage": _PUBLIC,
    "loginBackgroundContent": _PUBLIC,
    "vapidPublicKey": _PUBLIC,
    "extensionDownloadUrl": _PUBLIC,
    # payments
    "asaastoken": _PAYMENT,
    "mpaccesstoken": _PAYMENT,
    "stripeprivatekey": _PAYMENT,
    "efichavepix": _PAYMENT,
    "eficlientid": _PAYMENT,
    "eficlientsecret": _PAYMENT,
    "gerencianetClientId": _PAYMENT,
    "gerencianetClientSecret": _PAYMENT,
    "gerencianetPixCert": _CERTIFICATE,
    "gerencianetPixKey": _PAYMENT,
    "gerencianetSandbox": _OPERATORS,
    "_paymentGateway": _operators(choice("", "efi", "owen")),
    "_efiCertFile": _CERTIFICATE,
    "_efiClientId": _PAYMENT,
    "_efiClientSecret": _PAYMENT,
    "_efiPixKey": _PAYMENT,
    "_owenCnpj": _OPERATORS,
    "_owenToken": _PAYMENT,
    "_owenSecretKey": _PAYMENT,
    # mail and help
    "sendEmailWhenRegister": _operators(FLAG, "disabled"),
    "sendMessageWhenRegister": _operators(FLAG, "disabled"),
    "smtpauth": _OPERATORS,
    "usersmtpauth": _OPERATORS,
    "clientsecretsmtpauth": _PAYMENT,
    "smtpport": _operators(number(1, 65_535)),
    "callSuport": _everybody(FLAG, "disabled"),
    "wasuport": _everybody(TEXT, ""),
    "msgsuport": _everybody(TEXT, ""),
    "displayContactInfo": _everybody(FLAG, "disabled"),
    "showTypeBotInMainMenu": _everybody(FLAG, "disabled"),
    "typeBotIframeUrl": _everybody(TEXT, ""),
    "enableAllConnections": _everybody(FLAG, "disabled"),
    "enableTicketValueAndSku": _everybody(FLAG, "disabled"),
    "quickMessage": _everybody(FLAG, "disabled"),
}


def _clock(text: str) -> str:
    hours, _, minutes = text.strip().partition(":")
    fits = hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit()
    if not (fits and len(hours) <= 2 and len(minutes) == 2):
        message = "HH:MM"
        raise ValueError(message)
    if int(hours) > 23 or int(minutes) > 59:
        message = "a time from 00:00 to 23:59"
        raise ValueError(message)
    return f"{int(hours):02}:{minutes}"


_SECONDS: Final = number(0, 86_400)
_COUNT: Final = number(0, 1_000_000)
CAMPAIGN: Final[dict[str, SettingKey]] = {
    "messageInterval": _of(_SECONDS, "20"),
    "longerIntervalAfter": _of(_COUNT, "20"),
    "greaterInterval": _of(_SECONDS, "60"),
    "variables": _of(JSON, "[]"),
    "sabado": _of(TRUTH, "false"),
    "domingo": _of(TRUTH, "false"),
    "startHour": _of(Kind("HH:MM", _clock), "09:00"),
    "endHour": _of(Kind("HH:MM", _clock), "18:00"),
    "capHourly": _of(_COUNT, "30"),
    "capDaily": _of(_COUNT, "150"),
    "backoffErrorThreshold": _of(_COUNT, "3"),
    "backoffPauseMinutes": _of(MINUTES, "15"),
}
"""The pace of a company's campaigns, a store of its own; other keys there are text."""

KEYS: Final[dict[str, SettingKey]] = _COMPANY | _INSTALLATION
"""Every known key."""

_UNKNOWN: Final = SettingKey(visible="admin")
_PRIVATE: Final = SettingKey(visible="admin", secret=True)


def known(key: str) -> SettingKey:
    """What is known of a key, or what holds for keys that are not."""
    return KEYS.get(key) or (_PRIVATE if key.startswith("_") else _UNKNOWN)


def seeds(*, installation: bool) -> dict[str, str]:
    """The rows that a new company starts with; the first one holds the installation's too."""
    return {
        key: spec.default
        for key, spec in KEYS.items()
        if spec.seeded and (installation or not spec.installation)
    }
