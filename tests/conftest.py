"""What several files of tests share."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from factorgraph.cli import main as cli


@pytest.fixture
def fgc(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command in this process; return exit code, stdout, stderr."""

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fgc", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli._run()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call
