"""The console's files: served from a fixed list, with a policy that forbids foreign scripts."""

import re
from typing import Any

import pytest

from api.console import console, docs


async def get(
    path: str, method: str = "GET", headers: Any = ()
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    pages = docs if path.startswith("/docs") else console
    await pages({"path": path, "method": method, "headers": headers}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize("prefix", ["/console/", "/docs/"])
async def test_the_page_and_everything_it_names_is_there(prefix: str) -> None:
    status, headers, page = await get(prefix)
    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    for name in re.findall(rb'(?:src|href)="([\w./]+\.\w+)"', page):
        where = name.decode()
        named = "/" + where[3:] if where.startswith("../") else prefix + where
        assert (await get(named))[0] == 200


@pytest.mark.parametrize(
    ("prefix", "first", "another"),
    [("/console/", "main.js", "socket.js"), ("/docs/", "docs.js", "schemas.js")],
)
async def test_scripts_import_only_files_that_exist(prefix: str, first: str, another: str) -> None:
    seen, todo = set[str](), [first]
    while todo:
        name = todo.pop()
        seen.add(name)
        status, headers, body = await get(f"{prefix}{name}")
        assert (status, headers[b"content-type"]) == (200, b"text/javascript; charset=utf-8")
        todo += {m.decode() for m in re.findall(rb'from "\./([\w.]+)"', body)} - seen
    assert another in seen


@pytest.mark.parametrize("prefix", ["/console/", "/docs/"])
async def test_nothing_in_the_page_is_inline_or_foreign(prefix: str) -> None:
    _, _, page = await get(prefix)
    assert not re.search(rb"\son\w+=|<style|<script>|https?://", page)


@pytest.mark.parametrize(
    "path", ["/console/../settings.py", "/console/%2e%2e/x", "/console/x.js", "/console//"]
)
async def test_no_other_path_reaches_the_disk(path: str) -> None:
    assert (await get(path))[0] == 404


async def test_an_unchanged_file_is_not_sent_again() -> None:
    _, headers, _ = await get("/console/main.js")
    status, _, body = await get("/console/main.js", headers=[(b"if-none-match", headers[b"etag"])])
    assert (status, body) == (304, b"")


async def test_the_bare_path_leads_to_the_page_and_writes_are_refused() -> None:
    status, headers, _ = await get("/console")
    assert (status, headers[b"location"]) == (308, b"/console/")
    assert (await get("/console/", method="POST"))[0] == 405
