"""``fgc lsp``: the language server for editors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from factorgraph.errors import UsageError


def lsp(
    tcp: Annotated[
        str | None, typer.Option("--tcp", metavar="HOST:PORT", help="Listen there, not on stdin.")
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Speak on stdin and stdout, as it does anyway.")
    ] = False,
) -> None:
    """Serve editors: errors as you type, hover, completion, definitions, formatting."""
    if tcp is not None and stdio:
        raise UsageError("--tcp and --stdio exclude each other", code="E0911")
    address = None if tcp is None else _address(tcp)
    try:
        from factorgraph.lsp.server import make
    except ImportError:
        raise UsageError(
            "the language server needs pygls 2", code="E0915", hint="pip install 'fgc[lsp]'"
        ) from None
    server = make()
    if address is not None:
        server.start_tcp(*address)
        return
    # Only the server may write where the editor listens.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        server.start_io(stdout=out)


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise UsageError(f"--tcp {text}: say HOST:PORT", code="E0910", hint="--tcp localhost:2087")
    return host.strip("[]"), int(port)
