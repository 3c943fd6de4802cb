"""The example of the engine's README runs as printed."""

import re
from pathlib import Path

import engine


def test_the_five_minute_example_runs() -> None:
    readme = Path(engine.__file__).with_name("README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), namespace)
    assert namespace["TREE"] == namespace["Supervisor"](
        "bank", children=(namespace["Virtual"]("account", namespace["Account"]),)
    )


def test_every_public_name_is_documented_and_exported() -> None:
    for name in engine.__all__:
        assert getattr(engine, name).__doc__, name
