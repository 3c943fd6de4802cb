"""The bench's own judgement: what it calls lost, doubled and reordered."""

from bench.inbound import percentile
from bench.inbound_check import Verdict, judge
from bench.inbound_profile import REST, shares


def texts(*said: str) -> list[str]:
    return [f"b:{name}:1" for name in said]


def test_a_whole_history_in_order_is_clean() -> None:
    assert judge(texts("a:0", "b:0", "a:1", "b:1"), {"a": 2, "b": 2}) == Verdict()


def test_an_acknowledged_message_that_is_not_stored_is_lost() -> None:
    assert judge(texts("a:0", "a:2"), {"a": 3}) == Verdict(lost=1)


def test_a_conversation_without_any_row_is_lost_whole() -> None:
    assert judge([], {"a": 2, "b": 0}) == Verdict(lost=2)


def test_a_message_stored_twice_is_doubled() -> None:
    assert judge(texts("a:0", "a:1", "a:0"), {"a": 2}) == Verdict(doubled=1)


def test_a_message_behind_its_successor_is_reordered() -> None:
    assert judge(texts("a:0", "a:2", "a:1"), {"a": 3}) == Verdict(reordered=1)


def test_order_counts_inside_a_conversation_only() -> None:
    assert judge(texts("a:0", "b:1", "b:2", "a:1", "b:3"), {"a": 2}) == Verdict()


def test_a_stored_message_that_was_never_acknowledged_is_no_fault() -> None:
    assert judge(texts("a:0", "a:1"), {"a": 1}) == Verdict()


def test_percentiles_are_taken_of_the_sorted_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)) == (51, 100, 0)


def test_a_sample_counts_for_the_innermost_part_and_waiting_counts_for_nobody() -> None:
    parts, functions = shares(
        [
            "thread (1);run (api/edge/server.py:1);Decider.decide (actors/tickets/deciding.py:7) 3",
            "thread (1);run (api/edge/server.py:1);loads (json/__init__.py:2) 2",
            "thread (1);unrolled_run (trio/_core/_run.py:9) 1",
            "thread (2);Bridge._run (storage/bridge.py:5) 50",
        ]
    )
    assert parts == {
        "ticket: rules and decision": 3,
        "HTTP: parse, frame, socket calls": 2,
        REST: 1,
    }
    assert functions["Decider.decide (actors/tickets/deciding.py)"] == 3
