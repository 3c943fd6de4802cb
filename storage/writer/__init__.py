"""The group-commit writer: many actors' units in one transaction, each with its own verdict.

`group` is the trio side (`save`, `settled`, bounds); `lane` the loop side (one shard, one batch in
flight, retries, bisection, unknown outcomes); `frame` one transaction; `rows` and `refusals` turn
units into columns and RETURNING into verdicts.
"""

from storage.unit import Committed
from storage.writer.bounds import Limits
from storage.writer.group import GroupWriter, open_writer
from storage.writer.stats import WriterStats

__all__ = ["Committed", "GroupWriter", "Limits", "WriterStats", "open_writer"]
