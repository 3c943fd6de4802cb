"""`python -m bench sockets`: events from N sockets to the server, beside the same peers."""

import sys
from collections.abc import Sequence

from bench import fanout


def main(argv: Sequence[str]) -> int:
    """Run the bench; returns the exit status. A *delivery* here is one event received."""
    return fanout.main(argv, inbound=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
