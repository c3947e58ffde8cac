"""The language server itself: requests of the protocol, answered by the modules beside it.

Nothing stops it: what goes wrong in an answer becomes a message in the editor's log.
"""

from __future__ import annotations

import asyncio
import functools
import os
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from factorgraph import __version__
from factorgraph.errors import FgError, ModelWarning
from factorgraph.lsp.complete import Proposal, complete
from factorgraph.lsp.document import Declaration, Document
from factorgraph.lsp.hover import hover
from factorgraph.lsp.places import Places
from factorgraph.lsp.resolve import Local, Standard, UsedFile, resolve
from factorgraph.model.library import is_standard
from factorgraph.model.model import Model
from factorgraph.source import Span
from factorgraph.syntax import tree as t

DELAY = 0.2
"""Seconds without a key press after which a text is checked."""

_COMPLETION = {
    "statement": lsp.CompletionItemKind.Keyword,
    "operator": lsp.CompletionItemKind.Keyword,
    "constant": lsp.CompletionItemKind.Constant,
    "type": lsp.CompletionItemKind.TypeParameter,
    "domain": lsp.CompletionItemKind.Enum,
    "size": lsp.CompletionItemKind.Constant,
    "given": lsp.CompletionItemKind.Variable,
    "answer": lsp.CompletionItemKind.Variable,
    "latent": lsp.CompletionItemKind.Variable,
    "index": lsp.CompletionItemKind.Variable,
    "param": lsp.CompletionItemKind.Value,
    "field": lsp.CompletionItemKind.Field,
    "file": lsp.CompletionItemKind.File,
    "use": lsp.CompletionItemKind.Module,
}
_SYMBOL = {
    "domain": lsp.SymbolKind.Enum,
    "size": lsp.SymbolKind.Number,
    "given": lsp.SymbolKind.Variable,
    "answer": lsp.SymbolKind.Variable,
    "latent": lsp.SymbolKind.Variable,
    "param": lsp.SymbolKind.Array,
    "let": lsp.SymbolKind.Constant,
    "factor": lsp.SymbolKind.Operator,
    "hard": lsp.SymbolKind.Operator,
    "use": lsp.SymbolKind.Module,
}

Answer = TypeVar("Answer")


class Server(LanguageServer):
    """A language server with the texts that the editor has open."""

    def __init__(self) -> None:
        super().__init__("fgc", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self._documents: dict[str, Document] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def document(self, uri: str) -> Document:
        """Return an open text as it is now."""
        text = self.workspace.get_text_document(uri).source
        known = self._documents.get(uri)
        if known is None or known.text != text:
            known = self._documents[uri] = Document(text, _path(uri))
        return known

    def reread(self) -> None:
        """Forget what was read, so that files that others use are read again."""
        self._documents.clear()

    def model(self, document: Document) -> Model | None:
        """Return the model of a text where it has one; a defect of the checker is logged."""
        try:
            return document.checked[0]
        except Exception as error:
            self.tell(error)
            return None

    def places(self, text: str) -> Places:
        """Return the positions of a text in the units that were agreed on."""
        return Places(text, str(getattr(self._units, "value", self._units)))

    @property
    def _units(self) -> object:
        return self.workspace.position_encoding or lsp.PositionEncodingKind.Utf16

    def tell(self, error: Exception) -> None:
        """Log an error of the server in the editor."""
        shown = "".join(traceback.format_exception(error))
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, f"fgc: {shown}"))

    # -- checking

    def check_soon(self, uri: str) -> None:
        """Check a text when nothing was typed for a while."""
        self.forget(uri)
        loop = asyncio.get_running_loop()
        self._waiting[uri] = loop.call_later(DELAY, _check, self, uri)

    def forget(self, uri: str) -> None:
        """Give up a check that is still to come."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()

    def check(self, uri: str) -> None:
        """Check a text and show what is wrong with it."""
        self.forget(uri)
        document = self.document(uri)
        places = self.places(document.text)
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(
                uri,
                [self.diagnostic(e, document, places) for e in document.checked[1]],
                self.workspace.get_text_document(uri).version,
            )
        )

    def close(self, uri: str) -> None:
        """Show nothing more of a text."""
        self.forget(uri)
        self._documents.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def diagnostic(self, error: FgError, document: Document, places: Places) -> lsp.Diagnostic:
        """Return an error or a warning as editors show it."""
        message = error.message if error.hint is None else f"{error.message}\nhint: {error.hint}"
        span, related = error.span, None
        if span is not None and span.source.text != document.text:
            related = [lsp.DiagnosticRelatedInformation(self.location(span), error.message)]
            message = f"{span}: {message}"
            span = _use_of(span, document)
        return lsp.Diagnostic(
            _range(places, span or Span(document.tree.source, 0, 0)),
            message,
            lsp.DiagnosticSeverity.Warning
            if isinstance(error, ModelWarning)
            else lsp.DiagnosticSeverity.Error,
            error.code or None,
            source="fgc",
            related_information=related,
        )

    def location(self, span: Span) -> lsp.Location:
        """Return a place in any file."""
        path = _library() if is_standard(span) else span.source.name
        uri = path if "://" in path or path.startswith("untitled:") else _uri(path)
        return lsp.Location(uri, _range(self.places(span.source.text), span))


def _range(places: Places, span: Span) -> lsp.Range:
    start, stop = places.range(span)
    return lsp.Range(lsp.Position(*start), lsp.Position(*stop))


def _path(uri: str) -> str:
    return (uris.to_fs_path(uri) or uri) if uri.startswith("file:") else uri


def _uri(path: str) -> str:
    return uris.from_fs_path(os.path.abspath(path)) or path


def _library() -> str:
    from importlib.resources import files

    return str(files("factorgraph.models").joinpath("losses.fg"))


def _use_of(span: Span, document: Document) -> Span | None:
    """Return the `use` that brings in the file of a place, or the first one there is."""
    first = None
    for statement in document.tree.statements:
        if isinstance(statement, t.Use):
            first = first or statement.path.span
            if span.source.name.endswith(statement.path.value):
                return statement.path.span
    return first


def _guarded(
    answer: Callable[[Server, Any], Answer | None],
) -> Callable[[Server, Any], Answer | None]:
    """Log what goes wrong, and answer nothing then."""

    @functools.wraps(answer)
    def guarded(ls: Server, asked: Any) -> Answer | None:
        try:
            return answer(ls, asked)
        except Exception as error:
            ls.tell(error)
            return None

    return guarded


def _asked(ls: Server, asked: Any) -> tuple[Document, Places, int]:
    """Return the text, its places and the offset that a request is about."""
    document = ls.document(asked.text_document.uri)
    places = ls.places(document.text)
    return document, places, places.offset((asked.position.line, asked.position.character))


@_guarded
def _check(ls: Server, uri: str) -> None:
    ls.check(uri)


@_guarded
def _opened(ls: Server, asked: lsp.DidOpenTextDocumentParams) -> None:
    ls.check(asked.text_document.uri)


@_guarded
def _changed(ls: Server, asked: lsp.DidChangeTextDocumentParams) -> None:
    ls.check_soon(asked.text_document.uri)


@_guarded
def _saved(ls: Server, _asked: lsp.DidSaveTextDocumentParams) -> None:
    ls.reread()
    for uri in list(ls.workspace.text_documents):
        _check(ls, uri)


@_guarded
def _closed(ls: Server, asked: lsp.DidCloseTextDocumentParams) -> None:
    ls.close(asked.text_document.uri)


@_guarded
def _hover(ls: Server, asked: lsp.HoverParams) -> lsp.Hover | None:
    document, places, offset = _asked(ls, asked)
    found = resolve(document, offset)
    if found is None:
        return None
    text = hover(found, ls.model(document))
    content = lsp.MarkupContent(lsp.MarkupKind.Markdown, text)
    return lsp.Hover(content, _range(places, found.span))


@_guarded
def _complete(ls: Server, asked: lsp.CompletionParams) -> list[lsp.CompletionItem]:
    document, _, offset = _asked(ls, asked)
    return [_item(k, proposal) for k, proposal in enumerate(complete(document, offset))]


def _item(k: int, proposal: Proposal) -> lsp.CompletionItem:
    markdown = lsp.MarkupContent(lsp.MarkupKind.Markdown, proposal.explained)
    return lsp.CompletionItem(
        proposal.word,
        kind=_COMPLETION.get(proposal.sort, lsp.CompletionItemKind.Function),
        detail=proposal.detail or None,
        documentation=markdown if proposal.explained else None,
        sort_text=f"{k:04}",
    )


@_guarded
def _definition(ls: Server, asked: lsp.DefinitionParams) -> lsp.Location | None:
    document, _, offset = _asked(ls, asked)
    found = resolve(document, offset)
    if found is None:
        return None
    meaning = found.meaning
    if isinstance(meaning, Declaration | Local):
        return ls.location(meaning.place)
    if isinstance(meaning, Standard):
        return ls.location(meaning.definition.name.span)
    if isinstance(meaning, UsedFile) and os.path.isfile(meaning.path):
        return lsp.Location(_uri(meaning.path), lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0)))
    return None


@_guarded
def _symbols(ls: Server, asked: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    document = ls.document(asked.text_document.uri)
    places = ls.places(document.text)
    return [
        lsp.DocumentSymbol(
            declaration.name,
            _SYMBOL.get(declaration.word, lsp.SymbolKind.Function),
            _range(places, declaration.place.to(declaration.node.span)),
            _range(places, declaration.place),
            detail=declaration.word,
        )
        for declaration in document.own
    ]


@_guarded
def _formatted(ls: Server, asked: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    from factorgraph.syntax.format import format

    document = ls.document(asked.text_document.uri)
    try:
        text = format(document.text, document.name)
    except FgError:
        return None  # shown as diagnostics already
    if "\r\n" in document.text:
        text = text.replace("\n", "\r\n")
    if text == document.text:
        return []
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(*ls.places(document.text).end))
    return [lsp.TextEdit(whole, text)]


def make() -> Server:
    """Return a language server that waits to be started."""
    server = Server()
    for method, answer in (
        (lsp.TEXT_DOCUMENT_DID_OPEN, _opened),
        (lsp.TEXT_DOCUMENT_DID_CHANGE, _changed),
        (lsp.TEXT_DOCUMENT_DID_SAVE, _saved),
        (lsp.TEXT_DOCUMENT_DID_CLOSE, _closed),
        (lsp.TEXT_DOCUMENT_HOVER, _hover),
        (lsp.TEXT_DOCUMENT_DEFINITION, _definition),
        (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols),
        (lsp.TEXT_DOCUMENT_FORMATTING, _formatted),
    ):
        server.feature(method)(answer)
    options = lsp.CompletionOptions(trigger_characters=["."])
    server.feature(lsp.TEXT_DOCUMENT_COMPLETION, options)(_complete)
    return server
