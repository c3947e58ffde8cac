"""The command ``fgc``: where errors become messages and exit codes.

Exit codes: 0 fine, 2 the user's mistake, 130 interrupted, 1 ours.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from factorgraph import process
from factorgraph.cli.cache import cache
from factorgraph.cli.check import check
from factorgraph.cli.compile import compile_
from factorgraph.cli.convert import convert
from factorgraph.cli.eval import eval_
from factorgraph.cli.explain import explain
from factorgraph.cli.fmt import fmt
from factorgraph.cli.infer import infer
from factorgraph.cli.info import info
from factorgraph.cli.lsp import lsp
from factorgraph.cli.mock import mock
from factorgraph.cli.new import new
from factorgraph.cli.options import ReaderGone
from factorgraph.cli.plot import plot
from factorgraph.cli.report import report
from factorgraph.cli.solve import solve
from factorgraph.cli.train import train
from factorgraph.errors import FgError, UsageError

app = typer.Typer(
    name="fgc",
    help="A language for energy-based models: check, train, infer, explain.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check)
app.command("compile")(compile_)
app.command("train")(train)
app.command("eval")(eval_)
app.command("infer")(infer)
app.command("solve")(solve)
app.command("convert")(convert)
app.command("info")(info)
app.command("fmt")(fmt)
app.command("explain")(explain)
app.command("plot")(plot)
app.command("report")(report)
app.command("new")(new)
app.command("mock")(mock)
app.command("lsp")(lsp)
app.command("cache")(cache)


def _version(asked: bool) -> None:
    if asked:
        from factorgraph import __version__

        sys.stdout.write(f"fgc {__version__}\n")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line and exit."""
    warnings.showwarning = _warn
    process.claim()
    sys.exit(_run())


def _run() -> int:
    as_json = "--json" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except FgError as error:
        _tell(error, as_json)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return 130
    except (ReaderGone, BrokenPipeError):
        # the reader has gone: nothing left to say, not even at exit
        _close_stdout()
        return 0
    except OSError as error:
        # errors of files are told where they are read and written; those of stdout name no file
        _close_stdout()
        where = "stdout" if error.filename is None else str(error.filename)
        reason = error.strerror or error
        _tell(UsageError(f"{where} cannot be written: {reason}", code="E0802"), as_json)
        return 2
    except MemoryError:
        sys.stderr.write("error: out of memory\n  hint: set --budget-memory to be told before\n")
        return 2
    except Exception as error:
        if hasattr(error, "format_message"):
            return _usage(error, as_json)
        if os.environ.get("FGC_DEBUG"):
            raise
        from factorgraph.source import visible

        sys.stderr.write(
            f"internal error: {type(error).__name__}: {visible(str(error))}\n"
            "  this is a defect of fgc; FGC_DEBUG=1 shows where\n"
        )
        return 1


def _close_stdout() -> None:
    """Send what is still to come nowhere, so that nothing fails once more at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Any, as_json: bool) -> int:
    """Show a mistake in the options; typer says which. No arguments at all show the help."""
    if as_json:
        from factorgraph.cli.options import say_json

        say_json({"error": "UsageError", "message": error.format_message()})
    error.show()
    return 2


def _tell(error: FgError, as_json: bool) -> None:
    if as_json:
        from factorgraph.cli.options import say_json

        for one in error.all:
            say_json(one.as_dict())
    sys.stderr.write(error.report() + "\n")


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"warning: {message}\n")
