"""`python -m bench NAME ...` runs the bench of that name; each module here is one question."""

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    """The benches there are: modules of this package with a `main`."""
    found = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        spec = importlib.util.find_spec(f"bench.{module.name}")
        if not module.ispkg and module.name != "__main__" and spec and spec.origin:
            source = Path(spec.origin).read_text(encoding="utf-8")
            if "\ndef main(" in source:
                found.append(module.name)
    return found


def main() -> int:
    """Dispatch to the bench named first."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in names():
        print(f"usage: python -m bench [{' | '.join(sorted(names()))}] ...")
        return 2
    module = importlib.import_module(f"bench.{arguments[0]}")
    return int(module.main(arguments[1:]) or 0)


sys.exit(main())
