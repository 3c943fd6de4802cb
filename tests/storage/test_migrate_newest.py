"""The shortcut that spares alembic agrees with alembic."""

from storage.migrate import newest, render


def test_the_newest_file_is_the_head():
    head, _ = render(None)
    assert newest() == head
    assert render(head) == (head, "")
