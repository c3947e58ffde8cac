"""The language server: spoken with as an editor does, and its parts on their own."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason="the language server is an extra: pip install 'fgc[lsp]'")

import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import ClientServerConfig, LanguageClient

from factorgraph.cli.lsp import lsp as command
from factorgraph.errors import ModelWarning, UsageError
from factorgraph.lsp.complete import complete
from factorgraph.lsp.document import Document
from factorgraph.lsp.hover import hover
from factorgraph.lsp.places import Places
from factorgraph.lsp.resolve import Declaration, Local, Meaning, Standard, UsedFile, resolve
from factorgraph.lsp.server import make
from factorgraph.source import Span

LANGUAGE = Path(__file__).parent / "language"
TEXTS = sorted(LANGUAGE.glob("*.fg"), key=lambda p: p.name)

CHAIN = """\
# words and their tags
domain Tag = {N, V, D}
size   n
given  word[n] : text         # as they are written
answer y[n] : Tag
param  A[Tag, Tag] ~ l2(0.1)
let    f[t in n] = hash(64, lower(word[t]))
param  U[Tag, 64]
factor emit[t in n]      = -dot(U[y[t]], f[t])
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   hinge(m = 2)
"""


def at(text: str, mark: str, inside: str | None = None) -> int:
    """Return the offset of a mark in a text, or of a part of it."""
    return text.index(mark) + (mark.index(inside) if inside else 0)


def meaning(text: str, mark: str, inside: str | None = None, name: str = "m.fg") -> Meaning | None:
    """Return what the word at a mark means."""
    answer = resolve(Document(text, name), at(text, mark, inside))
    return None if answer is None else answer.meaning


# -- places


def test_columns_count_utf16_units() -> None:
    text = "# 𝛽 is one character of two units\r\nsize n\rsize m\nend"
    places = Places(text)
    offset = text.index("is")
    assert places.position(offset) == (0, 5)
    assert places.offset((0, 5)) == offset
    assert places.position(text.index("size n")) == (1, 0)
    assert places.position(text.index("size m")) == (2, 0)
    assert places.end == (3, 3)
    assert places.offset((0, 999)) == text.index("\r\n"), "behind a line's end is its end"
    assert places.offset((99, 0)) == len(text)
    assert Places(text, "utf-32").position(offset) == (0, 4)
    assert Places(text, "utf-8").position(offset) == (0, 7)


@pytest.mark.parametrize("units", ["utf-8", "utf-16", "utf-32"])
def test_every_offset_comes_back(units: str) -> None:
    text = "a𝛽é\n\n# …\r\nx"
    places = Places(text, units)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert places.offset(places.position(offset)) == offset


# -- what a word means


def test_an_index_is_the_innermost_of_its_name() -> None:
    text = "size n, m\nparam W[n2]\nsize n2 = 3\nfactor f[i in n] = sum(i for i in m) + i\n"
    inner, outer = meaning(text, "sum(i", "i"), meaning(text, "+ i", "i")
    assert isinstance(inner, Local) and isinstance(outer, Local)
    assert inner.text == "i in m"
    assert outer.text == "i in n"


def test_arguments_fields_labels_and_the_library() -> None:
    text = """
size k
given arc[k] : (src: int, dst: int)
given src : real
fun half(src) = src / 2
factor f[e in k] = arc[e].src + src
loss margin
"""
    field = meaning(text, "].src", "src")
    assert isinstance(field, Declaration)
    assert (field.word, field.place.line) == ("field", 3)
    given = meaning(text, "+ src", "src")
    assert isinstance(given, Declaration) and given.word == "given"
    assert isinstance(meaning(text, "src / 2"), Local)
    assert isinstance(meaning(text, "margin"), Standard)
    keyword = meaning(text, "factor")
    assert isinstance(keyword, tuple)
    assert keyword[0].sort == "statement"


def test_comments_and_texts_hold_no_names() -> None:
    assert meaning("size n # n of them\n", "n of") is None
    assert meaning('domain D = {"n # x"}\nsize n\n', "x") is None


def test_a_name_of_a_used_file(tmp_path: Path) -> None:
    (tmp_path / "base.fg").write_text("# 𝛽\nsize n\nanswer y[n] : bit\n", encoding="utf-8")
    path = tmp_path / "top.fg"
    text = 'use "base.fg"\nfactor f[t in n] = y[t]\n'
    path.write_text(text, encoding="utf-8")
    name = meaning(text, "y[t]", name=str(path))
    assert isinstance(name, Declaration)
    assert name.place.source.name == str(tmp_path / "base.fg")
    assert name.place.line == 3
    file = meaning(text, '"base', name=str(path))
    assert file == UsedFile(str(tmp_path / "base.fg"))


# -- hover


def test_hover_tells_role_shape_type_and_scope() -> None:
    document = Document(CHAIN, "m.fg")
    model = document.checked[0]
    assert model is not None

    def shown(mark: str, inside: str | None = None) -> str:
        answer = resolve(document, at(CHAIN, mark, inside))
        assert answer is not None
        return hover(answer, model).replace("\\", "")

    assert "answer y[n] : Tag" in shown("y[t]")
    assert "shape [n]" in shown("y[t]")
    assert "3 states" in shown("y[t]")
    assert "read by emit, move" in shown("y[t]")
    assert "as they are written" in shown("word[t]")
    assert "type text" in shown("word[t]")
    assert "scope: y[t - 1], y[t]" in shown("move")
    assert "l2(0.1)" in shown("A[y")
    assert "shape [Tag = 3, 64]" in shown("U[y")
    assert "words and their tags" in shown("Tag = {")
    assert "t in 1..n-1" in shown("y[t-1]", "t-")
    assert "max(0, m + E(answer) - E(wrong))" in shown("hinge")
    assert "contracts the last axis" in shown("dot")


def test_hover_needs_no_model() -> None:
    text = CHAIN + "factor broken = nothing[0]\nfactor"
    document = Document(text, "m.fg")
    assert document.checked[0] is None
    answer = resolve(document, at(text, "y[t]"))
    assert answer is not None
    assert "answer y[n] : Tag" in hover(answer, None)


def test_what_the_user_wrote_is_no_markdown() -> None:
    text = "size n # <script> `a` [b](c)\nsize m\n" + 'domain D = {\n  "```"\n}\n'
    document = Document(text, "m.fg")
    answer = resolve(document, at(text, "n #"))
    assert answer is not None
    assert "\\<script\\> \\`a\\` \\[b\\]\\(c\\)" in hover(answer, None)
    answer = resolve(document, at(text, "D ="))
    assert answer is not None
    assert hover(answer, None).startswith("````fg\n")


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_every_name_of_the_models_is_known(path: Path) -> None:
    """Every lexeme that the checked model declares resolves to something."""
    document = Document(path.read_text(encoding="utf-8"), str(path))
    model = document.checked[0]
    for lexeme in document.lexemes:
        if lexeme.kind == "name" and lexeme.text in document.names:
            answer = resolve(document, lexeme.start)
            assert answer is not None
            assert hover(answer, model)


# -- completion


def words(text: str, mark: str = "|") -> list[str]:
    """Return what is proposed at a mark."""
    offset = text.index(mark)
    return [p.word for p in complete(Document(text.replace(mark, ""), "m.fg"), offset)]


def test_statements_at_the_beginning_of_a_line() -> None:
    assert words("|")[:3] == ["use", "domain", "size"]
    assert "factor" in words("size n\nfac|")
    assert "factor" not in words("size n\nfactor f[t in n] = |")


def test_names_in_scope() -> None:
    proposed = words(CHAIN + "factor more[k in n, (a, b) in n] = A[|")
    assert {"k", "a", "b", "A", "y", "word", "emit", "sum", "if"} <= set(proposed)
    assert proposed.index("k") < proposed.index("A") < proposed.index("sum")
    assert "t" not in proposed, "an index of another statement"
    assert {"x", "w"} <= set(words("fun f(x, w = 2) = |"))
    assert {"i", "j"} <= set(words("size n\nfactor f = sum(| for i in n, j in n)"))


def test_what_each_place_asks_for() -> None:
    types = words("domain D = {a}\nsize n\ngiven x[n] : |")
    assert {"real", "text", "bit", "D", "n"} <= set(types)
    assert "sum" not in types
    assert words("param W ~ |")[:2] == ["l1", "l2"]
    assert words("param W = |")[0] == "zeros"
    assert "trws" in words("infer |")
    assert "gibbs" in words("loss cd(by = |)")
    assert words("map m = |")[0] == "linear"
    assert words("map m = mlp(1, 2, act = |)")[0] == "relu"
    losses = words("loss mine = E(answer)\nloss |")
    assert {"mine", "nll", "hinge", "E", "free", "any", "answers"} <= set(losses)
    assert words("size n\ngiven a[n] : (lo: int, hi: int)\nfactor f[i in n] = a[i].|")[:2] == [
        "lo",
        "hi",
    ]


def test_nothing_where_nothing_may_stand() -> None:
    assert words("size n # |") == []
    assert words('domain D = {"|"}') == []
    assert words("size n\nfactor |") == [], "a new name"
    assert words("let a = 12|") == []


def test_files_to_use(tmp_path: Path) -> None:
    (tmp_path / "noise.fg").write_text("size n\n", encoding="utf-8")
    (tmp_path / "other.txt").write_text("", encoding="utf-8")
    document = Document('use "', str(tmp_path / "top.fg"))
    assert [p.word for p in complete(document, 5)] == ["noise.fg"]


def test_any_beginning_of_a_text_is_answered() -> None:
    """Whatever is typed so far, nothing raises."""
    for stop in range(0, len(CHAIN), 3):
        document = Document(CHAIN[:stop], "m.fg")
        complete(document, stop)
        answer = resolve(document, max(0, stop - 1))
        if answer is not None:
            hover(answer, document.checked[0])


# -- the server


served = pytest.mark.asyncio(loop_scope="module")
numbers = itertools.count()


@pytest_lsp.fixture(  # type: ignore[untyped-decorator]
    scope="module",
    config=ClientServerConfig(
        server_command=[sys.executable, "-c", "from factorgraph.cli.lsp import lsp; lsp(None)"]
    ),
)
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    asked = lsp.InitializeParams(capabilities=lsp.ClientCapabilities())
    answer = await lsp_client.initialize_session(asked)
    assert answer.server_info is not None and answer.server_info.name == "fgc"
    yield
    await lsp_client.shutdown_session()


async def checked(client: LanguageClient, uri: str) -> Sequence[lsp.Diagnostic]:
    """Return what the server finds next in a text."""
    client.diagnostics.pop(uri, None)
    while uri not in client.diagnostics:
        waiting = client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        await asyncio.wait_for(waiting, 30)
    return client.diagnostics[uri]


def errors(found: Sequence[lsp.Diagnostic]) -> list[lsp.Diagnostic]:
    return [d for d in found if d.severity == lsp.DiagnosticSeverity.Error]


async def opened(client: LanguageClient, text: str, uri: str = "") -> str:
    """Open a text and wait until it is checked."""
    uri = uri or f"file:///none/m{next(numbers)}.fg"
    item = lsp.TextDocumentItem(uri=uri, language_id="fg", version=1, text=text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    await checked(client, uri)
    return uri


def place(text: str, mark: str, inside: str | None = None) -> lsp.Position:
    return lsp.Position(*Places(text).position(at(text, mark, inside)))


@served
async def test_errors_as_you_type(client: LanguageClient) -> None:
    text = '# 𝛽\ndomain D = {"𝛽", b} size n answer y[n] : E\n'
    uri = await opened(client, text)
    (error,) = errors(client.diagnostics[uri])
    assert error.code == "E0119"
    assert error.source == "fgc"
    assert "hint: " in error.message
    line = text.split("\n")[1]
    column = len(line[: line.index(": E") + 2].encode("utf-16-le")) // 2
    assert error.range == lsp.Range(lsp.Position(1, column), lsp.Position(1, column + 1))

    client.text_document_did_change(
        lsp.DidChangeTextDocumentParams(
            lsp.VersionedTextDocumentIdentifier(uri=uri, version=2),
            [lsp.TextDocumentContentChangeWholeDocument(CHAIN)],
        )
    )
    assert not errors(await checked(client, uri))


@served
async def test_all_errors_are_shown_and_broken_texts_are_served(client: LanguageClient) -> None:
    text = "size n\nanswer y[n : bit\nfactor f[t in n] = y[t] +\nfactor g[t in n] = z[t]\n"
    uri = await opened(client, text)
    lines = [d.range.start.line for d in client.diagnostics[uri]]
    assert {1, 2} <= set(lines)
    symbols = await client.text_document_document_symbol_async(
        lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(uri))
    )
    assert symbols is not None
    assert [s.name for s in symbols] == ["n", "y", "f", "g"]
    client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
    assert not await checked(client, uri), "a closed text has no errors to show"


@served
async def test_requests(client: LanguageClient) -> None:
    uri = await opened(client, CHAIN)
    document = lsp.TextDocumentIdentifier(uri)
    shown = await client.text_document_hover_async(
        lsp.HoverParams(document, place(CHAIN, "-A[y[t-1]", "y"))
    )
    assert shown is not None and isinstance(shown.contents, lsp.MarkupContent)
    assert "answer y[n] : Tag" in shown.contents.value

    target = await client.text_document_definition_async(
        lsp.DefinitionParams(document, place(CHAIN, "-A[y[t-1]", "y"))
    )
    assert isinstance(target, lsp.Location)
    assert target.uri == uri
    start = place(CHAIN, "y[n] : Tag")
    assert target.range == lsp.Range(start, lsp.Position(start.line, start.character + 1))

    target = await client.text_document_definition_async(
        lsp.DefinitionParams(document, place(CHAIN, "hinge"))
    )
    assert isinstance(target, lsp.Location)
    library = Path(target.uri.removeprefix("file://"))
    line = library.read_text(encoding="utf-8").split("\n")[target.range.start.line]
    assert line.startswith("loss hinge(m = 1)")

    items = await client.text_document_completion_async(
        lsp.CompletionParams(document, place(CHAIN, "dot(U", "U"))
    )
    assert isinstance(items, list)
    assert {"y", "U", "t", "sum"} <= {item.label for item in items}

    symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
    assert symbols is not None
    names = ["Tag", "n", "word", "y", "A", "f", "U", "emit", "move"]
    assert [s.name for s in symbols] == names
    assert (
        await client.text_document_hover_async(lsp.HoverParams(document, lsp.Position(99, 0)))
        is None
    )


@served
async def test_errors_in_used_files(client: LanguageClient, tmp_path: Path) -> None:
    base, top = tmp_path / "base.fg", tmp_path / "top.fg"
    base.write_text("size n\nanswer y[n] : Nothing\n", encoding="utf-8")
    text = '# top\nuse "base.fg"\nfactor f[t in n] = y[t]\n'
    top.write_text(text, encoding="utf-8")
    uri = await opened(client, text, top.as_uri())
    error = client.diagnostics[uri][0]
    assert error.range.start == lsp.Position(1, 4), "at the use"
    assert error.related_information is not None
    assert error.related_information[0].location.uri == base.as_uri()
    assert error.related_information[0].location.range.start == lsp.Position(1, 14)

    base.write_text("size n\nanswer y[n] : bit\n", encoding="utf-8")
    client.text_document_did_save(
        lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(base.as_uri()))
    )
    assert not errors(await checked(client, uri))


@served
async def test_formatting(client: LanguageClient) -> None:
    from factorgraph.syntax.format import format

    text = "size n\r\nanswer   y[n]:bit\r\nfactor f[t in n]=y[t]"
    uri = await opened(client, text)
    asked = lsp.DocumentFormattingParams(
        lsp.TextDocumentIdentifier(uri), lsp.FormattingOptions(tab_size=4, insert_spaces=True)
    )
    edits = await client.text_document_formatting_async(asked)
    assert edits is not None
    (edit,) = edits
    assert edit.new_text == format(text).replace("\n", "\r\n")
    assert edit.range.start == lsp.Position(0, 0)
    assert edit.range.end == lsp.Position(2, len("factor f[t in n]=y[t]"))

    broken = await opened(client, "size (\n")
    asked.text_document = lsp.TextDocumentIdentifier(broken)
    assert await client.text_document_formatting_async(asked) is None


@served
async def test_a_defect_is_logged_and_survived(client: LanguageClient) -> None:
    nowhere = lsp.TextDocumentIdentifier("file:///none/not-open.fg")
    answer = await client.text_document_hover_async(lsp.HoverParams(nowhere, lsp.Position(0, 0)))
    assert answer is None
    assert any("FileNotFoundError" in m.message for m in client.log_messages)
    uri = await opened(client, CHAIN)
    assert not errors(client.diagnostics[uri])


def test_a_warning_is_no_error() -> None:
    document = Document(CHAIN, "m.fg")
    span = Span(document.tree.source, at(CHAIN, "word"), at(CHAIN, "[n] : text"))
    warning = ModelWarning("hardly meant", code="W0001", span=span)
    shown = make().diagnostic(warning, document, Places(CHAIN))
    assert shown.severity == lsp.DiagnosticSeverity.Warning
    assert (shown.code, shown.message) == ("W0001", "hardly meant")
    assert shown.range.start == place(CHAIN, "word")


# -- the command


@pytest.mark.parametrize("address", ["2087", "localhost:", ":2087", "localhost:port", "a:70000"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        command(address)


def test_a_port_instead_of_stdin() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = f"from factorgraph.cli.lsp import lsp; lsp('127.0.0.1:{port}')"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.DEVNULL) as server:
        try:
            answer = _talk(port, server)
            assert answer["result"]["serverInfo"]["name"] == "fgc"
            assert server.wait(30) == 0, "it ends with the editor"
        finally:
            server.kill()


def _talk(port: int, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the answer to the first request, and take leave."""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            break
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.05)
    with connection, connection.makefile("rwb") as stream:

        def send(method: str, number: int | None, **asked: Any) -> None:
            message = {"jsonrpc": "2.0", "method": method, **asked}
            data = json.dumps(message if number is None else {**message, "id": number}).encode()
            stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
            stream.flush()

        def receive() -> dict[str, Any]:
            length = 0
            while line := stream.readline().strip():
                if line.startswith(b"Content-Length: "):
                    length = int(line.split()[1])
            found: dict[str, Any] = json.loads(stream.read(length))
            return found

        send("initialize", 1, params={"capabilities": {}, "processId": None, "rootUri": None})
        answer = receive()
        send("shutdown", 2)
        receive()
        send("exit", None)
    return answer


def test_without_pygls_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "factorgraph.lsp.server", raising=False)
    monkeypatch.setitem(sys.modules, "pygls", None)
    with pytest.raises(UsageError) as caught:
        command(None)
    assert caught.value.hint == "pip install 'fgc[lsp]'"
