"""What the command `chatia` understands: serve, users, backups, migrations, audit checks, letters."""

import argparse
import getpass
import os
import secrets
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from api.commands import (
    back_up,
    create_user,
    done_with,
    letter,
    migrate,
    restore,
    verify_audit,
    waiting_letters,
)
from api.logs import configure
from api.serving import serve
from api.settings import Settings, SettingsError, read_settings
from storage.embedded import EmbeddedPostgres, PostgresFailed
from storage.errors import StorageError


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    status = 0
    try:
        settings = read_settings(
            data_dir=options.data,
            host=getattr(options, "host", None),
            port=getattr(options, "port", None),
        )
        configure(settings.log_level)
        with _postgres(settings) as postgres:
            status = options.run(settings, postgres, options) or 0
    except* (SettingsError, PostgresFailed, StorageError, OSError) as failed:
        for error in _each(failed):
            print(f"chatia: {error}", file=sys.stderr)
        status = 1
    except* KeyboardInterrupt:
        status = 130
    return status


def _each(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            yield error


@contextmanager
def _postgres(settings: Settings) -> Generator[EmbeddedPostgres | None]:
    """Our own Postgres for the length of the block, unless an address is configured.

    Started here because the server ends with the thread that starts it: the main one.
    """
    if settings.database_url is not None:
        yield None
        return
    postgres = EmbeddedPostgres(settings.data_dir).start()
    try:
        yield postgres
    finally:
        postgres.stop()


def _dsn(settings: Settings, postgres: EmbeddedPostgres | None) -> str:
    return postgres.dsn if postgres is not None else settings.database_url or ""


def _serve(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    trio.run(
        serve,
        settings,
        _dsn(settings, postgres),
        postgres,
        options.demo,
        options.simulate,
        options.take_over,
    )


def _create_user(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    password = options.password or _asked_password()
    user = trio.run(
        create_user,
        settings,
        _dsn(settings, postgres),
        options.email,
        options.name or options.email.partition("@")[0],
        password,
        options.profile,
        options.super,
        options.company,
    )
    print(f"user {user.id} of company {user.company_id}: {user.email}")


def _asked_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    password = secrets.token_urlsafe(12)
    print(f"password: {password}")
    return password


def _backup(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    trio.run(back_up, _dsn(settings, postgres), options.file)
    print(f"written: {options.file}")


def _restore(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    trio.run(restore, _dsn(settings, postgres), options.file)
    print("restored")


def _migrate(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    revision = trio.run(migrate, _dsn(settings, postgres), options.down_to)
    print(f"at revision {revision}")


def _list(
    settings: Settings, postgres: EmbeddedPostgres | None, _options: argparse.Namespace
) -> None:
    for row in trio.run(waiting_letters, _dsn(settings, postgres)):
        at = row.created_at.isoformat(timespec="seconds")
        whose = f"{row.id}: company {row.company_id}, {row.address}, {at}"
        print(f"{whose}, {len(row.payload)} bytes: {row.error!a}")  # a terminal obeys no customer


def _write(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    raw = trio.run(letter, _dsn(settings, postgres), options.id).payload
    place = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(place, "wb") as file:
        file.write(raw)
    print(f"written: {options.file}")


def _done(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> None:
    trio.run(done_with, _dsn(settings, postgres), options.id)
    print(f"letter {options.id} is off the list")


def _head(text: str) -> tuple[int, bytes]:
    seq, _, link = text.partition(":")
    return int(seq), bytes.fromhex(link)


def _verify(
    settings: Settings, postgres: EmbeddedPostgres | None, options: argparse.Namespace
) -> int:
    if options.since is not None and options.company is None:
        message = "--since is one company's head: name it with --company"
        raise SettingsError(message)
    verdicts = trio.run(
        verify_audit, settings, _dsn(settings, postgres), options.company, options.since
    )
    for verdict in verdicts:
        head = verdict.head
        end = f"{head.audit_seq}:{(head.audit_hash or b'').hex()}"
        found = "; ".join(verdict.faults) or "ok"
        print(f"company {head.company_id}: {verdict.entries} entries, head {end}: {found}")
    return 1 if any(verdict.faults for verdict in verdicts) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatia", description=__doc__)
    parser.add_argument("--data", type=Path, help="data folder (default: the user's)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    same = argparse.ArgumentParser(add_help=False)
    same.add_argument("--data", type=Path, default=argparse.SUPPRESS)

    run = commands.add_parser("serve", parents=[same], help="serve REST, sockets and the console")
    run.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    run.add_argument("--port", type=int, help="port to listen on (default 8080)")
    run.add_argument("--demo", action="store_true", help="seed a demo company first")
    run.add_argument(
        "--simulate",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let simulated customers write now and then (on with --demo)",
    )
    run.add_argument(
        "--take-over",
        action="store_true",
        help="put another server of this database out of office, for one that hangs",
    )
    run.set_defaults(run=_serve)

    users = commands.add_parser("user", help="manage users").add_subparsers(
        required=True, metavar="ACTION"
    )
    create = users.add_parser("create", parents=[same], help="make a user")
    create.add_argument("email")
    create.add_argument("--name")
    create.add_argument("--password", help="asked for, or made up, when missing")
    create.add_argument("--profile", choices=("admin", "user"), default="user")
    create.add_argument("--super", action="store_true", help="an operator of the installation")
    create.add_argument("--company", type=int, default=1, metavar="ID")
    create.set_defaults(run=_create_user)

    audit = commands.add_parser("audit", help="check the audit log").add_subparsers(
        required=True, metavar="ACTION"
    )
    verify = audit.add_parser(
        "verify", parents=[same], help="look for entries that were altered, removed or put in"
    )
    verify.add_argument("--company", type=int, metavar="ID", help="one company (default: all)")
    verify.add_argument(
        "--since",
        type=_head,
        metavar="SEQ:HASH",
        help="a head printed earlier and kept elsewhere: shows also an end that was cut off",
    )
    verify.set_defaults(run=_verify)

    letters = commands.add_parser(
        "letters",
        help="customers' inputs that were taken, but could not be stored as what they are",
    ).add_subparsers(required=True, metavar="ACTION")
    listing = letters.add_parser("list", parents=[same], help="those nobody has dealt with yet")
    writing = letters.add_parser("write", parents=[same], help="write one to a file, as it came")
    ending = letters.add_parser("done", parents=[same], help="take one off the list")
    for one in (writing, ending):
        one.add_argument("id", type=int)
    writing.add_argument("file", type=Path)
    for verb, work in ((listing, _list), (writing, _write), (ending, _done)):
        verb.set_defaults(run=work)

    schema = commands.add_parser("migrate", parents=[same], help="bring the schema up, or down")
    schema.add_argument(
        "--down-to", metavar="REVISION", help="drop what later revisions added, with what is in it"
    )
    schema.set_defaults(run=_migrate)

    for name, action, text in (
        ("backup", _backup, "write the database to a file"),
        ("restore", _restore, "fill an empty database from a file"),
    ):
        command = commands.add_parser(name, parents=[same], help=text)
        command.add_argument("file", type=Path)
        command.set_defaults(run=action)
    return parser
