"""`hash(N, …)` and `features(Domain, …)` while checking: sparse rows of counts."""

from __future__ import annotations

from factorgraph.errors import ModelError
from factorgraph.model import functions as f
from factorgraph.model.arrays import (
    Value,
    integer,
    sparse,
)
from factorgraph.model.expression import (
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    DomainSize,
    Expr,
    is_data,
    show,
)
from factorgraph.model.generators import Generators
from factorgraph.model.reads import Scope
from factorgraph.source import squeezed
from factorgraph.syntax import tree as t


class Features(Generators):
    """Turns features into places."""

    def _features(self, node: t.Call, scope: Scope) -> Value:
        """``hash(N, …)`` and ``features(Domain, …, min = 1)``: sparse rows of counts."""
        name, span = node.name.name, node.span
        least = 1
        arguments: list[t.Expression] = []
        for argument in node.arguments:
            if argument.binders is not None:
                raise ModelError("`for` cannot stand here", code="E0112", span=argument.span)
            if argument.name == "min" and name == "features":
                number = self.constant(argument.value, "`min`")
                if not 1 <= number < 2**31 or number != int(number):
                    raise ModelError(
                        "`min` is a whole number of at least 1", code="E0117", span=argument.span
                    )
                least = int(number)
            elif argument.name is not None:
                raise ModelError(
                    f"`{name}` has no argument `{argument.name}`", code="E0112",
                    span=argument.span, hint="features(Feat, …, min = 2)",
                )  # fmt: skip
            else:
                arguments.append(argument.value)
        if len(arguments) < 2:
            first = "how many places there are" if name == "hash" else "a domain"
            raise ModelError(
                f"`{name}` takes {first} and at least one feature", code="E0112", span=span
            )
        hits = []
        domain, extent = self._places_of_features(name, arguments[0])
        for feature in arguments[1:]:
            self._padding += 1
            try:
                value = self.scalar(feature, scope)
            finally:
                self._padding -= 1
            if value.kind == REAL or value.kind.sort in ("record", "sequence"):
                raise ModelError(
                    f"a feature is a text, a label or a whole number, but `{show(value)}` is "
                    f"{value.kind}",
                    code="E0106",
                    span=feature.span,
                    hint="multiply a param with a real number instead",
                )
            if not is_data(value):
                raise ModelError(
                    "features read givens only", code="E0114", span=feature.span,
                    hint="index a param with an unknown instead",
                )  # fmt: skip
            space = Const(feature.span, TEXT, "".join(squeezed(feature.span.text).split()) + "=")
            words = f.apply(feature.span, "&", space, value, between="")
            if domain is None:
                hits.append(Apply(feature.span, INT, "hash", (extent, words)))
            else:
                hits.append(
                    Apply(feature.span, INT, "feature",
                          (Const(feature.span, TEXT, domain), words))
                )  # fmt: skip
        if domain is not None and self.least.setdefault(domain, least) != least:
            raise ModelError(
                f"`{domain}` is filled with `min = {self.least[domain]}` elsewhere",
                code="E0112",
                span=span,
                hint="say the same `min` wherever a domain is filled",
            )
        return sparse(span, extent, tuple(hits))

    def _places_of_features(self, name: str, node: t.Expression) -> tuple[str | None, Expr]:
        span = node.span
        if name == "hash":
            number = self.constant(node, "the number of places")
            if not 1 <= number < 2**31 or number != int(number):
                raise ModelError(
                    "the number of places is a whole number from 1 to 2^31 - 1",
                    code="E0117",
                    span=span,
                )
            return None, integer(span, int(number))
        domain = self.domains.get(node.name) if isinstance(node, t.Name) else None
        if domain is None or not domain.from_data:
            raise ModelError(
                "`features` fills a domain: its first argument is one without values",
                code="E0112",
                span=span,
                hint="declare `domain Feat`, and say features(Feat, …)",
            )
        self.used.add(domain.name)
        return domain.name, DomainSize(span, INT, domain.name)
