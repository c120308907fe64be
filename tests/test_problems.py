"""What a person is told when a command cannot go on."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest
import sqlalchemy as sa

from orchestration import command


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def each_others() -> Exception:
    one = ValueError("a defect")
    one.__cause__ = caused(KeyError("another"), one)
    return one


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (caused(RuntimeError("x"), OSError(errno.EROFS, os.strerror(errno.EROFS))), "Read-only"),
        (
            sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("no such table")),
            None,
        ),
        (
            sa.exc.OperationalError(
                "INSERT", {}, sqlite3.OperationalError("database or disk is full")
            ),
            "database or disk is full",
        ),
        (ValueError("a defect"), None),
        (each_others(), None),
    ],
)
def test_a_disk_that_takes_nothing_is_said_and_a_defect_is_not_hidden(
    error: Exception,
    words: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cli(**_: object) -> None:
        raise error

    monkeypatch.setattr(command, "cli", cli)
    if words is None:
        with pytest.raises(type(error)):
            command.main()
        return
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert f"the disk takes nothing more: {words}" in told and "Remedy: make room" in told
