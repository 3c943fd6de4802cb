"""Rules about the tree itself: sizes, names, where strings and settings may stand."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    *("engine", "actors", "api", "storage", "migrations", "bench", "tests"),
    *("pyproject.toml", "README.md", "Makefile"),
    *("requirements.txt", "requirements-test.txt", "requirements-bench.txt"),
    *(".ci", ".gitignore", ".gitattributes"),
}
FORBIDDEN_NAMES = re.compile(r"^(utils|util|helpers?|common|base_.*|manager|service|misc)$")
HARD_STOP = 400
PACKAGES = ("engine", "storage", "actors", "api")

pytestmark = pytest.mark.gate


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.exists()]


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from (ROOT / package).rglob("*.py")


def test_the_top_level_is_fixed() -> None:
    seen = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert seen <= TOP_LEVEL, f"not part of the fixed top level: {sorted(seen - TOP_LEVEL)}"


def test_no_file_is_over_the_hard_stop() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text().splitlines())) > HARD_STOP
    }
    assert not long, f"split by concept: {long}"


def test_no_module_has_a_drawer_name() -> None:
    bad = [str(p.relative_to(ROOT)) for p in tracked("*.py") if FORBIDDEN_NAMES.match(p.stem)]
    assert not bad


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules(*PACKAGES)
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert not silent


def test_tracked_files_name_no_machine_and_no_registry() -> None:
    machine = re.compile(
        r"/(work|root|home/\w+)/(?!\.)|registry\.npmjs\.org|files\.pythonhosted\.org|--index-url"
    )
    found: list[str] = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".png", ".ico", ".webp"}:
            continue
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in machine.finditer(text)][:3]
    assert not found


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# Functions on the installation itself, on credentials that decide the company, or on the log.
INSTALLATION_WIDE = {
    *("create_company", "list_companies", "list_plans", "show_plan", "list_active_companies"),
}


def test_every_repository_function_takes_the_company() -> None:
    """First argument a database or transaction: the second is the company, by name and type."""
    missing: list[str] = []
    for path in modules("storage"):
        for function in functions(path):
            arguments = [a.arg for a in function.args.args + function.args.kwonlyargs]
            if not isinstance(function, ast.AsyncFunctionDef) or not arguments:
                continue
            if arguments[0] not in {"tx", "database", "source"}:
                continue
            doc = ast.get_docstring(function) or ""
            if "company_id" in arguments or "Installation-wide" in doc:
                continue
            if function.name not in INSTALLATION_WIDE and not function.name.startswith("_"):
                missing.append(f"{path.name}:{function.name}")
    hint = "take company_id, or say 'Installation-wide' and why in the docstring"
    assert not missing, f"{hint}: {missing}"


COMPOSES_SQL = {
    **dict.fromkeys(
        (
            "storage/json_rows.py",
            "storage/mails.py",
            "storage/outbox_queue.py",
            "storage/retention.py",
            "storage/tickets.py",
        ),
        "constants of this program, which the planner must see",
    ),
    "storage/event_partitions.py": "names and bounds of partitions, which come from the clock",
    "storage/writer/session.py": "a shard's number, an epoch and a batch id, in one round trip",
}


def is_composed(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"format", "join"}
    return isinstance(node, ast.JoinedStr | ast.BinOp)


def test_no_sql_is_composed_where_it_is_run() -> None:
    """Values always travel as parameters; what else is put together is named above, and why."""
    runs = {"text", "literal_column", "execute", "fetch", "fetchrow", "fetchval", "prepare"}
    found = {
        str(path.relative_to(ROOT))
        for path in modules("actors", "api", "storage")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in runs
        and node.args
        and is_composed(node.args[0])
    }
    assert found == COMPOSES_SQL.keys()


def test_wire_names_are_written_in_one_place() -> None:
    """No module but the wire table and the client-event table spells a socket event name."""
    pattern = re.compile(r"""f?["']company-?\{|["'](appMessage|whatsappSession)["']""")
    allowed = {"wire.py", "inbound.py", "rooms.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in modules("actors", "api", "storage")
        if path.name not in allowed and pattern.search(path.read_text())
    ]
    assert not found


def test_every_setting_is_used() -> None:
    settings = ast.parse((ROOT / "api/settings.py").read_text())
    names = [
        item.target.id
        for node in ast.walk(settings)
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    assert names
    sources = "\n".join(p.read_text() for p in modules("api") if p.name != "settings.py")
    unused = [name for name in names if not re.search(rf"settings\.{name}\b", sources)]
    assert not unused
