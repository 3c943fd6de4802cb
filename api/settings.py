"""The only reader of the environment: every setting, its type, its default and its variable."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message names it."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of one installation, generated once and kept in the data folder at mode 0600."""

    jwt_secret: str
    jwt_refresh_secret: str
    data_key: str
    media_secret: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be configured. Sizes are bytes, times are seconds unless named."""

    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path
    database_url: str | None = None
    database_pool: int = 8
    backend_url: str | None = None
    frontend_urls: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    secrets: Secrets
    access_token_seconds: int = 15 * 60
    refresh_token_seconds: int = 7 * 24 * 3600
    refresh_grace_seconds: float = 20.0
    bcrypt_rounds: int = 10
    verify_token: str = "whaticket"
    app_secret: str | None = None
    graph_url: str = "https://graph.facebook.com"
    body_limit: int = 5 * 1024 * 1024
    upload_limit: int = 64 * 1024 * 1024
    request_deadline: float = 30.0
    webhook_deadline: float = 4.0
    drain_seconds: float = 8.0
    log_level: str = "INFO"
    events_retention_days: int = 30
    metrics_token: str | None = None
    api_rate_per_minute: int = 600
    mail_host: str | None = None
    mail_port: int = 587
    mail_user: str = ""
    mail_password: str = ""
    mail_from: str | None = None
    mail_tls: bool = False
    fault: str | None = None
    demo_email: str = "admin@example.com"
    demo_password: str | None = None

    @property
    def public_url(self) -> str:
        """Where browsers and providers reach this server, without a trailing slash."""
        return (self.backend_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def uploads_dir(self) -> Path:
        """Where uploads lie while their request is worked on; on the disk of the media store."""
        return self.data_dir / "uploads"

    @property
    def secure(self) -> bool:
        """True behind TLS: cookies are then `Secure` and may travel between sites."""
        return self.public_url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """The exact origins that browsers may call from, this server's own included."""
        urls = (*self.frontend_urls, self.public_url)
        return frozenset(origin for url in urls if (origin := origin_of(url)))


# field -> the variables that set it, first one found wins (the family's names where it has them)
_VARIABLES: dict[str, tuple[str, ...]] = {
    "host": ("HOST",),
    "port": ("PORT",),
    "database_url": ("DATABASE_URL",),
    "database_pool": ("DB_POOL_MAX",),
    "backend_url": ("BACKEND_URL",),
    "frontend_urls": ("FRONTEND_URLS", "FRONTEND_URL"),
    "trusted_proxies": ("TRUSTED_PROXIES",),
    "access_token_seconds": ("JWT_EXPIRES_SECONDS",),
    "refresh_token_seconds": ("JWT_REFRESH_EXPIRES_SECONDS",),
    "refresh_grace_seconds": ("JWT_REFRESH_GRACE_SECONDS",),
    "bcrypt_rounds": ("BCRYPT_ROUNDS",),
    "verify_token": ("VERIFY_TOKEN", "WABA_WEBHOOK_VERIFY_TOKEN"),
    "app_secret": ("FACEBOOK_APP_SECRET",),
    "graph_url": ("GRAPH_API_URL",),
    "body_limit": ("BODY_LIMIT_BYTES",),
    "upload_limit": ("UPLOAD_LIMIT_BYTES",),
    "request_deadline": ("REQUEST_DEADLINE_SECONDS",),
    "webhook_deadline": ("WEBHOOK_DEADLINE_SECONDS",),
    "drain_seconds": ("DRAIN_SECONDS",),
    "log_level": ("LOG_LEVEL",),
    "events_retention_days": ("EVENTS_RETENTION_DAYS",),
    "metrics_token": ("METRICS_TOKEN",),
    "api_rate_per_minute": ("API_RATE_PER_MINUTE",),
    "mail_host": ("MAIL_HOST", "SMTP_HOST"),
    "mail_port": ("MAIL_PORT", "SMTP_PORT"),
    "mail_user": ("MAIL_USER", "SMTP_USER"),
    "mail_password": ("MAIL_PASS", "SMTP_PASS"),
    "mail_from": ("MAIL_FROM", "SMTP_FROM"),
    "mail_tls": ("MAIL_SECURE", "SMTP_SECURE"),
    "fault": ("CHATIA_FAULT",),
    "demo_email": ("DEMO_EMAIL",),
    "demo_password": ("DEMO_PASSWORD",),
}
_LISTS = frozenset({"frontend_urls", "trusted_proxies"})
_SECRET_VARIABLES = {
    "jwt_secret": "JWT_SECRET",
    "jwt_refresh_secret": "JWT_REFRESH_SECRET",
    "data_key": "DATA_KEY",
    "media_secret": "MEDIA_SECRET",
}


def read_settings(
    environ: Mapping[str, str] | None = None,
    *,
    data_dir: Path | None = None,
    **overrides: Any,
) -> Settings:
    """Read every setting, from `overrides` (flags) first, then the environment, then defaults.

    Creates the data folder (mode 0700) and its secrets file (mode 0600) when they are missing.
    Raises SettingsError for a value that does not fit.
    """
    env = os.environ if environ is None else environ
    folder = (data_dir or Path(env.get("CHATIA_DATA") or _default_folder(env))).absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    values: dict[str, Any] = {"data_dir": folder, "secrets": _secrets(folder, env)}
    for field, names in _VARIABLES.items():
        text = next((env[name] for name in names if env.get(name)), None)
        if text is not None:
            values[field] = _split(text) if field in _LISTS else text
    if "database_url" not in values and env.get("DB_HOST"):
        values["database_url"] = _family_dsn(env)
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    for url in (settings.backend_url, *settings.frontend_urls):
        if url and origin_of(url) is None:
            message = f"not an http(s) address: {url!r}"
            raise SettingsError(message)
    for name in ("jwt_secret", "jwt_refresh_secret"):
        if len(getattr(settings.secrets, name)) < 32:
            message = f"{_SECRET_VARIABLES[name]} must have at least 32 characters"
            raise SettingsError(message)
    if settings.metrics_token is not None and len(settings.metrics_token) < 16:
        message = "METRICS_TOKEN must have at least 16 characters"
        raise SettingsError(message)
    if settings.mail_host and "@" not in (settings.mail_from or settings.mail_user):
        message = "MAIL_HOST is set: MAIL_FROM must say whose letters these are"
        raise SettingsError(message)
    if not 4 <= settings.bcrypt_rounds <= 15:
        message = "BCRYPT_ROUNDS must be from 4 to 15"
        raise SettingsError(message)


def origin_of(url: str) -> str | None:
    """The origin (`scheme://host[:port]`, lower case) of a web address, or None if it is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _default_folder(env: Mapping[str, str]) -> Path:
    if home := env.get("XDG_DATA_HOME"):
        return Path(home) / "chatia-flow"
    return Path(env.get("HOME") or tempfile.gettempdir()) / ".local" / "share" / "chatia-flow"


def _family_dsn(env: Mapping[str, str]) -> str:
    user = quote(env.get("DB_USER") or "postgres", safe="")
    password = f":{quote(env['DB_PASS'], safe='')}" if env.get("DB_PASS") else ""
    name = quote(env.get("DB_NAME") or "chatia", safe="")
    return f"postgresql://{user}{password}@{env['DB_HOST']}:{env.get('DB_PORT') or 5432}/{name}"


def _secrets(folder: Path, env: Mapping[str, str]) -> Secrets:
    """Secrets from the environment where set, else from the file, which is made when missing."""
    path = folder / "secrets.json"
    kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
    missing = [name for name in _SECRET_VARIABLES if name not in kept]
    if missing:
        kept |= {name: secrets.token_urlsafe(48) for name in missing}
        _write_private(path, msgspec.json.encode(kept))
    given = {name: env[v] for name, v in _SECRET_VARIABLES.items() if env.get(v)}
    return msgspec.convert(kept | given, Secrets)


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
