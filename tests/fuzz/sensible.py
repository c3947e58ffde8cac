"""Random texts that mostly mean something: every kind of declaration, expressions that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fuzz.mutate import NUMBERS

LABELS = ("A", "C", "B-x", "I-x", "O")
LOSSES = (
    "energy perceptron hinge logistic lvq2 mce square_square square_exp nll mee likelihood margin "
    "squared_margin slack softmax_margin ramp direct unified pseudo pseudo_margin piecewise ratio "
    "univariate smooth_hamming cd pcd variational score denoising restore"
).split()
INFERENCE = (
    "exact", "minsum(iterations = 5)", "trws(iterations = 10) + expansion", "icm", "gibbs",
    "grid(step = 0.1)", "lbfgs(x0 = x1)", "fista", "bp(diff = unroll)",
)  # fmt: skip


@dataclass(frozen=True)
class Set:
    """What an index runs over: a size, a domain or a range, as it is written."""

    text: str
    fixed: bool
    labels: bool = False


@dataclass(frozen=True)
class Array:
    """A declared array: what its axes are, and what its elements are."""

    name: str
    role: str
    axes: tuple[Set, ...]
    sort: str  # real, int, text, bit, set, record, path, segments
    of: Set | None = None
    fields: tuple[tuple[str, Set | None], ...] = ()

    @property
    def unknown(self) -> bool:
        return self.role in ("answer", "latent")


Scope = dict[str, Set]
FLIPS = {"num": "bool", "bool": "num", "text": "num"}


class _Text:
    """A text in the making.

    Parameters
    ----------
    wrong : the share of places where something of another kind stands.
    """

    def __init__(self, random: Random, wrong: float) -> None:
        self.random = random
        self.wrong = wrong
        self.lines: list[str] = []
        self.sets: list[Set] = []
        self.arrays: list[Array] = []
        self.lets: list[tuple[str, tuple[Set, ...]]] = []
        self.funs: list[tuple[str, int]] = []
        self.maps: list[tuple[str, Set, bool]] = []
        self.ragged: tuple[str, Set] | None = None
        self.names = 0
        self.inside = 0  # reads within indices of reads
        self.known = False  # only givens, sizes and indices may be read now

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def name(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def number(self) -> str:
        if self.chance(0.04):
            return self.random.choice(NUMBERS)
        return self.random.choice(("0", "1", "2", "3", "0.5", "1.5", "0.1"))

    # -- declarations

    def whole(self) -> str:
        r = self.random
        self.declare_sets()
        for _ in range(r.randint(0, 4)):
            self.given()
        for _ in range(r.randint(1, 3)):
            self.unknown()
        for _ in range(r.randint(0, 3)):
            self.param()
        if self.chance(0.15):
            self.map()
        for _ in range(r.randint(0, 2)):
            self.let_or_fun()
        for _ in range(r.randint(1, 4)):
            self.factor()
        if self.chance(0.6):
            self.loss()
        if self.chance(0.2):
            self.lines.append(f"infer {r.choice(INFERENCE)}")
        if self.chance(0.15):
            r.shuffle(self.lines)
        return "\n".join(self.lines) + "\n"

    def declare_sets(self) -> None:
        r = self.random
        for _ in range(r.randint(1, 2)):
            name = self.name("n")
            self.lines.append(f"size {name}")
            self.sets.append(Set(name, False))
        if self.chance(0.5):
            name = self.name("k")
            value = "3" if self.chance(0.9) else r.choice(NUMBERS)
            self.lines.append(f"size {name} = {value}")
            self.sets.append(Set(name, True))
        if self.chance(0.15):
            first = r.choice([s.text for s in self.sets if s.fixed] or ["4"])
            name = self.name("m")
            self.lines.append(f"size {name} = {first} {r.choice('+*-')} {r.randint(1, 3)}")
            self.sets.append(Set(name, True))
        if self.chance(0.2):
            over = r.choice(self.sets)
            self.ragged = (self.name("c"), over)
            self.lines.append(f"size {self.ragged[0]}[{over.text}]")
        if self.chance(0.6):
            name = self.name("D")
            match r.randrange(4):
                case 0:
                    self.lines.append(f"domain {name} = 0..{r.randint(1, 4)}")
                case 1:
                    self.lines.append(f"domain {name} = {-r.randint(1, 3)}..2")
                case _:
                    values = " = {" + ", ".join(f'"{x}"' for x in LABELS[: r.randint(1, 5)]) + "}"
                    self.lines.append(f"domain {name}{values if self.chance(0.7) else ''}")
            self.sets.append(Set(name, True, "{" in self.lines[-1] or "=" not in self.lines[-1]))

    def set(self, fixed: bool = False) -> Set:
        r = self.random
        choices = [s for s in self.sets if s.fixed] if fixed else self.sets
        sizes = [s for s in choices if s.text[0] in "nkm"]
        if sizes and self.chance(0.1):
            size = r.choice(sizes)
            end = r.choice((f"0..{size.text}-1", f"1..{size.text}", f"0..{size.text}-2"))
            return Set(end, size.fixed)
        if not choices or self.chance(0.15):
            low = self.random.choice((0, 0, 0, 1, -1))
            return Set(f"{low}..{low + self.random.randint(1, 3)}", True)
        return self.random.choice(choices)

    def axes(self, most: int, fixed: bool = False) -> tuple[Set, ...]:
        found = []
        for _ in range(self.random.randint(0, most)):
            one = self.set(fixed)
            if ".." in one.text:
                one = Set(str(self.random.randint(1, 3)), True)
            found.append(one)
        return tuple(found)

    def shape(self, axes: tuple[Set, ...]) -> str:
        return f"[{', '.join(a.text for a in axes)}]" if axes else ""

    def given(self) -> None:
        r = self.random
        name = self.name("x")
        sort = r.choice(("real", "real", "int", "text", "bit", "set", "set", "record"))
        of = self.set() if sort == "set" else None
        if self.ragged and self.chance(0.3):
            axes: tuple[Set, ...] = (self.ragged[1], Set(self.ragged[0], False))
        else:
            axes = self.axes(1 if sort == "record" else 2)
        fields: tuple[tuple[str, Set | None], ...] = ()
        if sort == "record":
            kinds = [self.set() if self.chance(0.7) else None for _ in range(r.randint(1, 3))]
            fields = tuple(("abc"[i], k) for i, k in enumerate(kinds))
            kind = self.record(fields)
        else:
            kind = of.text if of else sort
        self.lines.append(f"given {name}{self.shape(axes)} : {kind}")
        self.arrays.append(Array(name, "given", axes, sort, of, fields))

    def record(self, fields: tuple[tuple[str, Set | None], ...]) -> str:
        return "(" + ", ".join(f"{f}: {s.text if s else 'real'}" for f, s in fields) + ")"

    def unknown(self) -> None:
        r = self.random
        name = self.name("y")
        role = "answer" if self.chance(0.75) else "latent"
        sort = r.choice("bit bit set set set set real record path segments".split())
        of = self.set() if sort in ("set", "path", "segments") else None
        axes = () if sort in ("path", "segments") else self.axes(2)
        fields: tuple[tuple[str, Set | None], ...] = ()
        kind = of.text if of and sort == "set" else sort
        if sort == "real" and self.chance(0.4):
            kind = r.choice(("real(0, 1)", "real(-1, 2.5)", "real(-inf, 3)"))
        elif sort == "record":
            fields = tuple(("pq"[i], self.set()) for i in range(r.randint(1, 2)))
            kind = self.record(fields)
        elif sort == "path":
            arc = self.arrays[0].name if self.arrays else "nothing"
            if not self.chance(self.wrong):
                size = self.name("m")
                arc = self.name("arc")
                self.lines += [f"size {size}", f"given {arc}[{size}] : (a: int, b: int)"]
                self.arrays.append(Array(arc, "given", (Set(size, False),), "record", None,
                                         (("a", None), ("b", None))))  # fmt: skip
            kind = f"path({arc}, 0, {r.randint(1, 3)}" + (f", {of.text})" if of.labels else ")")
        elif sort == "segments":
            size = r.choice([s for s in self.sets if ".." not in s.text])
            kind = f"segments({size.text}, {r.randint(1, 4)}" + (
                f", {of.text})" if of.labels else ")"
            )
        self.lines.append(f"{role} {name}{self.shape(axes)} : {kind}")
        self.arrays.append(Array(name, role, axes, sort, of, fields))

    def param(self) -> None:
        r = self.random
        name = self.name("w")
        axes = self.axes(3, fixed=True)
        text = name + self.shape(axes)
        kind = ""
        if self.chance(0.25):
            kind = r.choice(("positive", "real(-1, 1)", "unit", "simplex") if axes else
                            ("positive", "real(-1, 1)"))  # fmt: skip
            text += f" : {kind}"
        if kind == "simplex" and self.chance(0.5):
            text += " = dirichlet(1)"
        elif self.chance(0.4):
            text += " = " + r.choice(("0.5", "0.5", "1", "0", "zeros", "normal(0, 0.1)"))
        if self.chance(0.5):
            text += " ~ " + r.choice(("l2(1)", "l1(0.1)", "l1(0.1) + l2(2)", "l2(0)"))
        self.lines.append(f"param {text}")
        self.arrays.append(Array(name, "param", axes, "real"))

    def map(self) -> None:
        r = self.random
        name = self.name("net")
        into = self.set(fixed=True)
        match r.randrange(4):
            case 0:
                self.lines.append(f"map {name} = linear({into.text}, 1)")
            case 1:
                act = r.choice(("relu", "tanh", "sigmoid", "softplus", "none"))
                self.lines.append(f"map {name} = mlp({into.text}, 3, 2, act = {act})")
            case 2:
                self.lines.append(f"map {name} = mlp(1, 4, 1)")
            case 3:
                self.lines.append(
                    f"map {name} = chain(conv(1, 2, 2, pad = same), pool(2), mlp(2, {into.text}))"
                )
        self.maps.append((name, into, "(1," in self.lines[-1]))

    def let_or_fun(self) -> None:
        if self.chance(0.5):
            name = self.name("g")
            count = self.random.randint(1, 3)
            formals = [f"a{i}" for i in range(count)]
            body = self.expr("num", 2, {f: Set("0..2", True) for f in formals})
            default = " = 1" if self.chance(0.2) else ""
            self.lines.append(f"fun {name}({', '.join(formals)}{default}) = {body}")
            self.funs.append((name, count))
            return
        name = self.name("l")
        match self.random.randrange(4):
            case 3 if self.rows():
                self.lines.append(f"let {name} = {self.array_of(1, {})}")
                self.lets.append((name, (self.set(),)))
            case 0 | 3:
                self.lines.append(f"let {name} = {self.number()}")
                self.lets.append((name, ()))
            case 1:
                self.known = self.chance(0.5)
                head, scope = self.binders(2)
                self.lines.append(f"let {name}{head} = {self.expr('num', 2, scope)}")
                self.known = False
                self.lets.append((name, tuple(scope.values())))
            case 2:
                feature = self.feature()
                if feature:
                    self.lines.append(f"let {name}{feature}")

    def feature(self) -> str | None:
        texts = [a for a in self.arrays if a.sort == "text" and a.role == "given" and a.axes]
        if not texts:
            return None
        one = self.random.choice(texts)
        scope = {f"t{i}": s for i, s in enumerate(one.axes)}
        head = ", ".join(f"{v} in {s.text}" for v, s in scope.items())
        parts = [self.expr("text", 1, scope) for _ in range(self.random.randint(1, 3))]
        call = f"hash({self.random.choice(('2^4', '16', '2^20', '1', '0'))}, {', '.join(parts)})"
        if self.chance(0.4):
            domain = self.name("F")
            self.lines.append(f"domain {domain}")
            call = f"features({domain}, {', '.join(parts)}, min = 1)"
        return f"[{head}] = {call}"

    def binders(self, most: int, guard: bool = True) -> tuple[str, Scope]:
        """Return binders as text, and what they bind."""
        r = self.random
        parts: list[str] = []
        scope: Scope = {}
        for _ in range(r.randint(0, most)):
            variable = r.choice("ijtuv")
            if variable in scope and not self.chance(self.wrong):
                continue
            match r.randrange(8):
                case 0:
                    relation = [a for a in self.arrays if a.sort == "record" and len(a.axes) == 1
                                and a.role == "given"]  # fmt: skip
                    if relation:
                        one = r.choice(relation)
                        names = [f"{variable}{k}" for k in range(len(one.fields))]
                        pattern = f"({', '.join(names)})" if len(names) > 1 else names[0]
                        parts.append(f"{pattern} in {one.name}")
                        scope |= {n: f or Set("real", False) for n, (_, f)
                                  in zip(names, one.fields)}  # fmt: skip
                case 1:
                    parts.append(f"({variable}, {variable}{variable}) in {{(0, 1), (1, 0)}}")
                    scope |= {variable: Set("0..1", True), variable * 2: Set("0..1", True)}
                case 2:
                    sequence = [a for a in self.arrays if a.sort in ("path", "segments")]
                    if sequence and not self.known:
                        one = r.choice(sequence)
                        count = (1 if one.sort == "path" else 2) + bool(one.of and one.of.labels)
                        twice = self.chance(0.3)
                        patterns = []
                        for k in range(1 + twice):
                            names = [f"{variable}{k}{c}" for c in "efg"[:count]]
                            patterns.append(f"({', '.join(names)})" if count > 1 else names[0])
                            scope |= {n: Set("0..1", True) for n in names}
                            if one.of and one.of.labels:
                                scope[names[-1]] = one.of
                        parts.append(f"{', '.join(patterns)} in {one.name}")
                case 3:
                    size = self.set()
                    if size.text.startswith("D") or ".." in size.text:
                        parts.append(f"{variable} in {size.text}")
                    else:
                        parts.append(f"{variable} in 1..{size.text}-1")
                    scope[variable] = size
                case _:
                    size = self.set()
                    parts.append(f"{variable} in {size.text}")
                    scope[variable] = size
        if not parts:
            return "", {}
        end = ""
        if guard and self.chance(0.25):
            before, self.known = self.known, True
            end = f" if {self.expr('bool', 1, scope)}"
            self.known = before
        return f"[{', '.join(parts)}{end}]", scope

    def factor(self) -> None:
        head, scope = self.binders(2)
        if self.chance(0.25):
            self.lines.append(f"hard {self.name('h')}{head} : {self.expr('bool', 3, scope)}")
        else:
            self.lines.append(f"factor {self.name('f')}{head} = {self.expr('num', 3, scope)}")

    def loss(self) -> None:
        r = self.random
        answers = [a for a in self.arrays if a.role == "answer"]
        if answers and self.chance(0.2):
            one = r.choice(answers)
            head = ", ".join(f"i{k}" for k in range(len(one.axes)))
            runs = " ".join(f"for i{k} in {s.text}" for k, s in enumerate(one.axes))
            read = f"{one.name}[{head}]" if head else one.name
            body = f"(Y.{read} != answer.{read})"
            if self.chance(0.3):
                body = f"{self.leaf({f'i{k}': s for k, s in enumerate(one.axes)})} * {body}"
            self.lines.append(f"fun cost(Y) = {f'sum({body} {runs})' if runs else body}")
            name = r.choice(("margin", "slack", "softmax_margin", "ramp", "direct"))
            self.lines.append(f"loss {name}(cost = cost)")
            return
        if self.chance(0.6):
            real = any(a.unknown and a.sort == "real" for a in self.arrays)
            names = LOSSES if real or self.chance(0.1) else LOSSES[:-3]
            self.lines.append(f"loss {self.random.choice(names)}")
        else:
            self.lines.append(f"loss {self.formula(3)}")

    def formula(self, depth: int) -> str:
        r = self.random
        if depth == 0 or self.chance(0.3):
            return f"{r.choice(('E', 'free', 'free'))}({self.region(2)})"
        inner = self.formula(depth - 1)
        match r.randrange(8):
            case 0:
                return f"{inner} {r.choice('+-*/')} {self.formula(depth - 1)}"
            case 1:
                return f"{r.choice(('softplus', 'exp', 'abs', 'sigmoid', 'log'))}({inner})"
            case 2:
                return f"max(0, {self.number()} + {inner})"
            case 3:
                return f"{self.number()} * {r.choice(LOSSES)}"
            case 4:
                return f"sum({inner} - free(only(v)) for v in answers)"
            case 5:
                return f"min(E(Y) - hamming(Y) for Y in {self.region(1)})"
            case 6 if any(a.unknown and a.sort == "real" for a in self.arrays):
                return f"norm(grad({r.choice(('answer', 'best', 'jitter(0.1)'))}))^2"
        return f"{inner}^2"

    def region(self, depth: int) -> str:
        r = self.random
        if depth == 0 or self.chance(0.7):
            return r.choice(("answer", "answer", "any", "wrong", "best"))
        unknowns = [a.name for a in self.arrays if a.unknown] or ["y"]
        match r.randrange(5):
            case 0:
                return f"wrong({self.region(depth - 1)})"
            case 1:
                return f"only({r.choice(unknowns)})"
            case 2:
                return f"pin({r.choice(unknowns)})"
            case 3:
                return f"sample({r.randint(0, 3)})"
        return f"{self.region(depth - 1)}, {self.number()}"

    # -- expressions

    def index(self, of: Set, scope: Scope) -> str:
        """Return an expression that is in a set, as a rule."""
        r = self.random
        if self.inside < 2 and self.chance(self.wrong):
            return self.expr(r.choice(("num", "bool", "text")), 1, scope)
        bound = [v for v, s in scope.items() if s.text == of.text]
        if bound and self.chance(0.8):
            one = r.choice(bound)
            return one if of.labels or self.chance(0.9) else f"{one}{r.choice(('-1', '+1'))}"
        reads = [a for a in self.arrays if a.of == of and a.sort == "set"
                 and not (self.known and a.role != "given")]  # fmt: skip
        if reads and self.inside < 2 and self.chance(0.7):
            return self.read(r.choice(reads), scope)
        if of.labels:
            return f'"{r.choice(LABELS)}"'
        if ".." in of.text and scope and self.chance(0.3):
            return r.choice(list(scope))
        if ".." in of.text:
            return of.text.split("..")[0]
        return r.choice(("0", "0", "0", "1"))

    def read(self, array: Array, scope: Scope) -> str:
        before = self.known
        self.known = before or (array.unknown and not self.chance(0.05))
        self.inside += 1
        places = ", ".join(self.index(a, scope) for a in array.axes)
        self.inside -= 1
        self.known = before
        return f"{array.name}[{places}]" if places else array.name

    def variable(self, scope: Scope) -> str | None:
        numbers = [v for v, s in scope.items() if not s.labels]
        return self.random.choice(numbers) if numbers else None

    def expr(self, kind: str, depth: int, scope: Scope) -> str:
        if self.chance(self.wrong):
            kind = FLIPS[kind]
        return getattr(self, kind)(depth, scope)  # type: ignore[no-any-return]

    def text_of(self, scope: Scope) -> str:
        texts = [a for a in self.arrays if a.sort == "text"]
        return self.read(self.random.choice(texts), scope) if texts else '"B-NP"'

    def rows(self) -> list[Array]:
        """Return the arrays of numbers that may be read."""
        return [a for a in self.arrays if a.sort in ("real", "int") and a.axes
                and not (self.known and a.role != "given")]  # fmt: skip

    def row(self, one: Array, scope: Scope) -> str:
        places = ", ".join(self.index(a, scope) for a in one.axes[:-1])
        return f"{one.name}[{places}]" if places else one.name

    def like(self, scope: Scope, joint: str) -> str:
        """Return two arrays of the same axis, as a rule."""
        found = self.rows()
        if not found:
            return self.number()
        one = self.random.choice(found)
        same = [a for a in found if a.axes[-1] == one.axes[-1] or self.chance(self.wrong)]
        return self.row(one, scope) + joint + self.row(self.random.choice(same or found), scope)

    def array_of(self, depth: int, scope: Scope) -> str:
        """Return an array of one axis, as a rule."""
        r = self.random
        found = self.rows()
        if not found:
            return "w"
        one = r.choice(found)
        places = ", ".join(self.index(a, scope) for a in one.axes[:-1])
        read = self.row(one, scope)
        match r.randrange(6):
            case 0 if depth:
                other = read if self.chance(0.5) else self.num(depth - 1, scope)
                return f"{read} {r.choice('+-*')} {other}"
            case 1 if depth:
                return f"{r.choice(('tanh', 'abs', 'exp'))}({self.array_of(depth - 1, scope)})"
            case 2:
                rest = f"{places}, " if places else ""
                low = self.variable(scope) or "0"
                return f"{one.name}[{rest}{low}..{low}+1]"
        return read

    def num(self, depth: int, scope: Scope) -> str:
        r = self.random
        if depth <= 0 or self.chance(0.2):
            return self.leaf(scope)
        sub = lambda kind="num": self.expr(kind, depth - 1, scope)  # noqa: E731
        match r.randrange(20):
            case 0 | 1 | 2 | 3:
                return f"{sub()} {r.choice('+-**')} {sub()}"
            case 4:
                whole = self.variable(scope) or "3"
                return r.choice((f"{sub()} / {sub()}", f"{sub()}^2", f"{whole} // 2",
                                 f"{whole} % 2", f"{sub()}^{sub()}", f"{sub()} // {sub()}"))  # fmt: skip
            case 5:
                return f"-{self.leaf(scope)}"
            case 6:
                name = r.choice("abs exp log sqrt tanh cosh sigmoid softplus".split())
                return f"{name}({sub()})"
            case 7:
                return f"{r.choice(('min', 'max'))}({sub()}, {sub()})"
            case 8 | 9:
                return f"(if {sub('bool')} then {sub()} else {sub()})"
            case 10:
                return f"({sub('bool')})"
            case 11 | 12:
                inner, bound = self.comprehension(scope)
                word = r.choice(("sum", "sum", "min", "max", "mean"))
                return f"{word}({self.expr('num', depth - 1, {**scope, **bound})} {inner})"
            case 13:
                inner, bound = self.comprehension(scope)
                return f"count({self.expr('bool', depth - 1, {**scope, **bound})} {inner})"
            case 14:
                return f"dot({self.like(scope, ', ')})"
            case 15:
                if not self.rows():
                    return self.leaf(scope)
                return f"{r.choice(('sum', 'norm', 'max', 'min'))}({self.array_of(1, scope)})"
            case 16 if self.funs:
                name, count = r.choice(self.funs)
                return f"{name}({', '.join(sub() for _ in range(count))})"
            case 17 if self.maps:
                name, of, one = r.choice(self.maps)
                if one:
                    return f"{name}({sub()})"
                return f"{name}({self.array_of(0, scope)})[{self.index(of, scope)}]"
            case 18:
                return f"norm({self.like(scope, ' - ')})^2"
            case 19:
                return f"min(abs({sub()} - {sub()}) * {self.number()}, {self.number()})"
        return self.leaf(scope)

    def leaf(self, scope: Scope) -> str:
        r = self.random
        if self.lets and self.chance(0.15):
            name, sets = r.choice(self.lets)
            places = ", ".join(self.index(s, scope) for s in sets)
            return f"{name}[{places}]" if places else name
        variable = self.variable(scope)
        if variable and self.chance(0.15):
            return variable
        if self.chance(0.1):
            return self.number()
        found = [a for a in self.arrays if a.sort not in ("text", "path", "segments")
                 and not (self.known and a.role != "given")]  # fmt: skip
        unknowns = [a for a in found if a.unknown]
        if unknowns and self.chance(0.5):
            found = unknowns
        if not found:
            return self.number()
        one = r.choice(found)
        read = self.read(one, scope)
        if one.sort == "record":
            return f"{read}.{r.choice(one.fields)[0]}"
        if one.of and one.of.labels:
            return f"({read} == {self.index(one.of, scope)})"
        return read

    def comprehension(self, scope: Scope) -> tuple[str, Scope]:
        variable = self.random.choice([v for v in "pqrs" if v not in scope] or ["p"])
        of = self.set()
        inner: Scope = {variable: of}
        if self.ragged and self.chance(0.2):
            outer = [v for v, s in scope.items() if s == self.ragged[1]]
            if outer:
                of = Set(f"{self.ragged[0]}[{outer[0]}]", False)
                inner = {variable: Set(self.ragged[0], False)}
        text = f"for {variable} in {of.text}"
        if self.chance(0.25):
            before, self.known = self.known, True
            text += f" if {self.expr('bool', 1, {**scope, **inner})}"
            self.known = before
        return text, inner

    def bool(self, depth: int, scope: Scope) -> str:
        r = self.random
        sub = lambda kind="bool": self.expr(kind, depth - 1, scope)  # noqa: E731
        if depth > 0 and self.chance(0.5):
            match r.randrange(6):
                case 0 | 1:
                    return f"({sub()} {r.choice(('and', 'or', '=>'))} {sub()})"
                case 2:
                    return f"not ({sub()})"
                case 3:
                    inner, bound = self.comprehension(scope)
                    word = r.choice(("xor", "atmostone", "exactlyone", "atleastone", "alldiff"))
                    kind = "num" if word == "alldiff" else "bool"
                    return f"{word}({self.expr(kind, depth - 1, {**scope, **bound})} {inner})"
                case 4:
                    texts = [a for a in self.arrays if a.sort == "text" and len(a.axes) == 1]
                    if texts and self.chance(0.5):
                        return f"{self.text(1, scope)} in {r.choice(texts).name}"
                    return f"{sub('num')} in {r.choice(('{0, 1}', self.set().text, '{0, 0}'))}"
                case 5:
                    sequence = [a.name for a in self.arrays if a.sort in ("path", "segments")
                                and a.of and a.of.labels]  # fmt: skip
                    if sequence:
                        return f'spell({r.choice(sequence)}) == "{r.choice(LABELS)}"'
        labelled = [a for a in self.arrays if a.of and a.of.labels and a.sort == "set"
                    and not (self.known and a.role != "given")]  # fmt: skip
        if labelled and self.chance(0.3):
            one = r.choice(labelled)
            assert one.of is not None
            part = r.choice(("{}", "{}", "prefix({})", "kind({})")).format(self.read(one, scope))
            return f"{part} {r.choice(('==', '!='))} {self.index(one.of, scope)}"
        if any(a.sort == "text" for a in self.arrays) and self.chance(0.15):
            return f"{self.expr('text', 1, scope)} {r.choice(('==', '!='))} {self.text_of(scope)}"
        sign = r.choice(("==", "!=", "<", "<=", ">", ">="))
        return f"{self.num(depth - 1, scope)} {sign} {self.num(depth - 1, scope)}"

    def text(self, depth: int, scope: Scope) -> str:
        one = self.text_of(scope)
        match self.random.randrange(7):
            case 0:
                return f"lower({one})"
            case 1:
                return f"prefix({one}, {self.number()})"
            case 2:
                return f"suffix({one}, 2)"
            case 3:
                return f"shape({one})"
            case 4 if depth > 0:
                return f"{one} & {self.text(depth - 1, scope)}"
        return one


def formula(random: Random) -> str:
    """Return a random formula of a loss, over unknowns that a text may have."""
    text = _Text(random, 0.0)
    text.arrays = [Array(n, "answer", (), "real") for n in ("y", "x", "y4", "y5", "z")]
    return text.formula(3) if random.random() < 0.7 else random.choice(LOSSES)


def write(random: Random) -> str:
    """Return a random text of declarations that mostly fit together."""
    wrong = random.choice((0.0, 0.0, 0.01, 0.05))
    return _Text(random, wrong).whole()
