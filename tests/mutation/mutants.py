"""Mutants of a module: each is its code with one small change, such as a programmer makes by mistake. Pure and deterministic.

    comparisons   < and <=, == and !=, is and is not, in and not in, > and >=, and each inequality turned round
    conditions    always true, always false, `not` left out, and for or, an operand or a filter left out, one arm of an if-else
    numbers       one more, one less; True for False; + for -, * for //, & for |, << for >>; a sign left out
    calls         min for max, any for all
    statements    a call, a yield, a raise, a continue, a break, a change of an attribute or an item left out; None returned

Changed is what stands in functions. Not changed: declarations (class bodies, annotations, decorators, figures with a name),
assertions (they say what a programmer must not break), texts, what goes to the log or into an error.
"""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_UNCHANGED = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
_UNCHANGED_FIELDS = {"annotation", "returns", "decorator_list"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change. `lines` are those of its statement; `is_early`: it may count while the module is imported."""

    line: int
    where: str
    before: str
    after: str
    lines: range
    is_early: bool
    code: CodeType

    @property
    def name(self) -> str:
        """What tells it from others of its module, wherever the function moves."""
        return f"{self.where}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node hangs in its tree. `call`: of a value with a name, what it is given to."""

    parent: ast.AST
    field: str
    index: int | None
    statement: ast.stmt
    where: str
    is_early: bool
    call: ast.AST | None = None

    @property
    def node(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants_of(text: str, file_name: str) -> Iterator[Mutant]:
    """Return all mutants of a module, in the order of its lines."""
    tree = ast.parse(text)
    for place in list(_places(tree)):
        node = place.node
        before = _shown(place)
        for changed in _changes(node):
            place.put(ast.fix_missing_locations(ast.copy_location(copy(changed), node)))
            yield Mutant(
                line=getattr(node, "lineno", place.statement.lineno),
                where=place.where,
                before=before,
                after=_shown(place),
                lines=_lines(place.statement),
                is_early=place.is_early,
                code=compile(tree, file_name, "exec"),
            )
        place.put(node)


def _places(tree: ast.Module) -> Iterator[_Place]:
    for statement in tree.body:
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            yield from _of_definition(statement, "")


def _of_definition(node: ast.AST, above: str) -> Iterator[_Place]:
    if isinstance(node, ast.ClassDef):
        for each in node.body:
            if isinstance(each, (*_FUNCTIONS, ast.ClassDef)):
                yield from _of_definition(each, f"{above}{node.name}.")
    elif isinstance(node, _FUNCTIONS):
        where = f"{above}{node.name}"
        is_kept = any(ast.unparse(each) == "cached_property" for each in node.decorator_list)
        yield from _below(node.args, node, where, True)
        for index, each in enumerate(node.body):
            yield from _at(_Place(node, "body", index, each, where, is_kept))


def _below(node: ast.AST, statement: ast.stmt, where: str, is_early: bool) -> Iterator[_Place]:
    for field, value in ast.iter_fields(node):
        if field in _UNCHANGED_FIELDS:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.keyword):
                yield from _at(_Place(child, "value", None, statement, where, is_early, call=node))
            elif isinstance(child, ast.AST):
                at = child if isinstance(child, ast.stmt) else statement
                yield from _at(_Place(node, field, index, at, where, is_early))


def _at(place: _Place) -> Iterator[_Place]:
    node = place.node
    if isinstance(node, _UNCHANGED) or _is_for_the_log(node):
        return
    yield place
    if not isinstance(node, ast.Raise):
        yield from _below(node, place.statement, place.where, place.is_early)


def _is_for_the_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("log.")


def _lines(statement: ast.stmt) -> range:
    """The lines at which a test shows that it comes by: of a compound statement only its head."""
    last = statement.end_lineno or statement.lineno
    if (body := getattr(statement, "body", None)) is not None:
        last = max(statement.lineno, body[0].lineno - 1)
    return range(statement.lineno, last + 1)


def _shown(place: _Place) -> str:
    """One line of what a person reads in a list; a number alone would say little."""
    node = place.node
    if isinstance(node, ast.Constant):
        node = place.call or (place.parent if isinstance(place.parent, ast.expr) else node)
    if isinstance(node, ast.If | ast.While):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.stmt():
            yield from _statement_changes(node)
        case ast.Compare():
            yield from _compare_changes(node)
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for index in range(len(node.values)):
                kept = node.values[:index] + node.values[index + 1 :]
                yield kept[0] if len(kept) == 1 else _with(node, values=kept)
        case ast.BinOp() if type(node.op) in _OPERATORS and not _is_text(node):
            yield _with(node, op=_OPERATORS[type(node.op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield from (ast.Constant(node.value + 1), ast.Constant(node.value - 1))
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield _with(node, func=ast.Name(_CALLS[name], ast.Load()))
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.comprehension():
            for index in range(len(node.ifs)):
                yield _with(node, ifs=node.ifs[:index] + node.ifs[index + 1 :])


def _statement_changes(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.If():
            yield from (_with(node, test=ast.Constant(True)), _with(node, test=ast.Constant(False)))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.AugAssign() if type(node.op) in _OPERATORS:
            yield from (ast.Pass(), _with(node, op=_OPERATORS[type(node.op)]()))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()
        case ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            yield ast.Pass()


def _compare_changes(node: ast.Compare) -> Iterator[ast.Compare]:
    for index, op in enumerate(node.ops):
        for other in _COMPARISONS[type(op)]:
            yield _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.left, node.right)
    )


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
