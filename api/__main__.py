"""The command `chatia`, and `python -m api`."""

import gc
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Imports make no garbage: looking for it meanwhile costs a fifth of the start.
    gc.disable()
    from api.command_line import run

    gc.enable()
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
