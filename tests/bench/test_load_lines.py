"""Load processes are spoken to in whole lines: what is cut off is told as that, never half read."""

import subprocess
import sys

import msgspec
import pytest

from bench.children import ROOT, child
from bench.load import agents

SAY = "import os, time; os.write(1, {said!r}); {then}"


def test_an_answer_bigger_than_a_pipe_arrives_whole() -> None:
    code = (
        "import msgspec; from bench.load.lines import answer, read_plan\n"
        "class Plan(msgspec.Struct): values: list[int]\n"
        "answer(read_plan(Plan))"
    )
    values = list(range(100_000))
    with child(["-c", code]) as process:
        process.say(msgspec.json.encode({"values": values}))
        assert process.answer(dict[str, list[int]]) == {"values": values}


@pytest.mark.parametrize(
    ("said", "then", "told"),
    [
        (b'{"a":', "os._exit(3)", "status 3, 5 bytes into"),
        (b'{"a":1}', "os.kill(os.getpid(), 9)", "status -9, 7 bytes into"),
        (b"", "os._exit(0)", "status 0, 0 bytes into"),
    ],
)
def test_an_answer_that_is_cut_off_tells_how_its_process_ended(
    said: bytes, then: str, told: str
) -> None:
    with (
        child(["-c", SAY.format(said=said, then=then)]) as process,
        pytest.raises(RuntimeError, match=told),
    ):
        process.answer(dict[str, int])


@pytest.mark.parametrize("module", ["sender", "agents", "requester"])
@pytest.mark.parametrize("plan", [b"", b'{"host":"127.0.0.1"'])
def test_a_process_whose_plan_is_cut_off_ends_and_says_so(module: str, plan: bytes) -> None:
    command = [sys.executable, "-m", f"bench.load.{module}"]
    ended = subprocess.run(
        command, input=plan, capture_output=True, cwd=ROOT, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert f"the plan was cut off after {len(plan)} bytes" in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("orders", [b"mark\nstop", b"stop"])
def test_the_agents_stop_whatever_was_said_before_in_one_go(orders: bytes) -> None:
    with child(["-m", "bench.load.agents"]) as watch:
        watch.say(b'{"host":"127.0.0.1","port":1,"clients":[]}')
        assert watch.line() == b"ready\n"
        watch.say(orders)
        assert watch.answer(agents.Findings).frames == 0
