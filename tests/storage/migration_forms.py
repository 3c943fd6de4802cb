"""Which forms of DDL hold up a live system: they lock a table for as long as it takes to read it."""

import re
from collections.abc import Iterator
from typing import Final

from storage.tables import ALL

SMALL: Final = frozenset(
    [
        "announcements",
        "chatbots",
        "companies",
        "company_settings",
        "connections",
        "department_options",
        "departments",
        "file_lists",
        "flows",
        "helps",
        "integrations",
        "plans",
        "prompts",
        "queue_integrations",
        "quick_messages",
        "refresh_families",
        "settings",
        "tags",
        "users",
    ]
)
"""Tables of configuration and people: reading one whole takes milliseconds."""

_ALTER = r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?(?P<table>\w+)\b.*"
_RULES: Final[dict[str, str]] = {
    r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY\b).*?\bON (?:ONLY )?(?P<table>\w+)": (
        "an index built in place blocks writes: CREATE INDEX CONCURRENTLY in autocommit_block()"
    ),
    rf"{_ALTER}ALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE\b": (
        "another type rewrites the table: add a column, fill it in portions, switch over"
    ),
    rf"{_ALTER}ALTER (?:COLUMN )?\w+ SET NOT NULL\b": (
        "SET NOT NULL reads the whole table: CHECK (… IS NOT NULL) NOT VALID, validate it later"
    ),
    rf"{_ALTER}ADD (?:COLUMN )?(?:IF NOT EXISTS )?\w+ [^,;]*"
    r"(?:GENERATED\b|\bSERIAL\b|DEFAULT (?:random|gen_random_uuid|uuidv\d|nextval|clock_timestamp)\b)": (
        "a default that differs by row rewrites the table: fill it in portions"
    ),
    rf"{_ALTER}ADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)": (
        "checking a constraint reads the whole table: add it NOT VALID, validate it by itself"
    ),
    rf"{_ALTER}ADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*\bUSING INDEX\b)": (
        "its index is built in place: build it CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"
    ),
    rf"{_ALTER}(?:SET (?:LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)\b)": "it rewrites the table",
    r"(?:CLUSTER|LOCK(?: TABLE)?|VACUUM FULL|TRUNCATE(?: TABLE)?) (?P<table>\w+)": (
        "it keeps everybody out of the table"
    ),
    r"REINDEX TABLE (?!CONCURRENTLY\b)(?P<table>\w+)": "an index rebuilt in place blocks writes",
    r"(?:UPDATE|DELETE FROM) (?P<table>\w+)\b": (
        "every row at once is one long transaction: fill or clear in portions"
    ),
}
_CONCURRENT: Final = re.compile(r"\bINDEX CONCURRENTLY\b", re.IGNORECASE)
_VALIDATE: Final = re.compile(
    r"ALTER TABLE (?P<table>\w+).*VALIDATE CONSTRAINT", re.IGNORECASE | re.DOTALL
)
_COMPILED: Final = {
    re.compile(rule, re.IGNORECASE | re.DOTALL): why for rule, why in _RULES.items()
}
_DROPPED: Final = re.compile(
    r"DROP INDEX (?!CONCURRENTLY\b)(?:IF EXISTS )?(?P<index>\w+)", re.IGNORECASE
)
_ALTERED: Final = re.compile(r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?(\w+)", re.IGNORECASE)
_INDEXES: Final = {str(index.name): table.name for table in ALL for index in table.indexes}
_CREATED: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
BIG: Final = frozenset(table.name for table in ALL) - SMALL


def faults(step: str, new: frozenset[str] = frozenset()) -> Iterator[str]:
    """What is wrong with one step of a migration, a transaction or a statement by itself.

    `new` are tables that the same migration has created before: they are empty.
    """
    inside = step.startswith("BEGIN;")
    made = new | frozenset(_CREATED.findall(step))
    altered = BIG & {name for s in statements(step) for name in _ALTERED.findall(s)} - made
    if inside and len(altered) > 1:
        yield f"it locks several tables at once, and so meets others crosswise: {sorted(altered)}"
    for statement in statements(step):
        if inside and _CONCURRENT.search(statement):
            yield f"it cannot run in a transaction: {statement}"
        validated = _VALIDATE.search(statement)
        if validated and inside and f"ALTER TABLE {validated['table']} ADD" in step:
            yield f"it keeps the lock that adding the constraint took: {statement}"
        dropped = _DROPPED.match(statement)
        if dropped and _INDEXES.get(dropped["index"], "a big table") in BIG | {"a big table"}:
            yield f"it locks out everybody: DROP INDEX CONCURRENTLY: {statement}"
        for rule, why in _COMPILED.items():
            found = rule.match(statement)
            if found and found["table"] in BIG and found["table"] not in made:
                yield f"{why}: {statement}"


def statements(step: str) -> list[str]:
    """The statements of a step on one line each, without comments, BEGIN and COMMIT."""
    plain = re.sub(r"--[^\n]*", "", step)
    parts = (" ".join(part.split()) for part in re.split(r";\s*(?:\n|$)", plain))
    return [part for part in parts if part and part not in ("BEGIN", "COMMIT")]


def created(step: str) -> frozenset[str]:
    """The tables that a step creates."""
    return frozenset(_CREATED.findall(step))
