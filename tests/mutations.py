# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small changes to Python code that a test should notice.

Comparisons and their boundaries, conditions, arithmetic, constants with strings and defaults, return values, and
removed statements. cosmic-ray changes no strings, and mutmut changes only undecorated functions. Neither changes the
value of an enumeration or of a constant, which is where many rules of this project are.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Callable, Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
# Their first argument is a name for type checkers.
_TYPING = ("cast", "TypeVar", "NewType")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change. ``start`` and ``end`` are bytes of the file that ``mutated`` replaces.

    ``function`` is the first line of the function whose body contains the change, None if it runs at import.
    """

    file: str
    line: int
    function: int | None
    start: int
    end: int
    original: str
    mutated: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.mutated.encode() + source[self.end :]


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All mutants of a file. The names of the functions and classes around a change are not in it: see ``Mutant``."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return finder.found


class _Finder(ast.NodeVisitor):
    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.found: list[Mutant] = []
        self.function: int | None = None
        lines = source.splitlines(keepends=True)
        self.offsets = [sum(map(len, lines[:number])) for number in range(len(lines))]

    def add(self, node: ast.expr | ast.stmt, replacement: ast.AST | str) -> None:
        start = self.offsets[node.lineno - 1] + node.col_offset
        end = self.offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        if isinstance(node, ast.expr) and not isinstance(replacement, str):
            # Parentheses keep the precedence; a constant needs none.
            text = ast.unparse(ast.fix_missing_locations(replacement))
            mutated = text if isinstance(node, (ast.Constant, ast.JoinedStr)) else f"({text})"
        else:
            mutated = replacement if isinstance(replacement, str) else ast.unparse(replacement)
        original = self.source[start:end].decode()
        self.found.append(Mutant(self.file, node.lineno, self.function, start, end, original, mutated))

    def change(self, node: ast.expr, edit: Callable[[ast.expr], None]) -> None:
        changed = copy.deepcopy(node)
        edit(changed)
        self.add(node, changed)

    def visit_Module(self, node: ast.Module | ast.ClassDef) -> None:
        for each in _without_docstring(node.body):
            self.visit(each)

    visit_ClassDef = visit_Module  # noqa: N815

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for each in [*node.args.defaults, *node.args.kw_defaults, *node.decorator_list]:
            if each is not None:
                self.visit(each)
        outer = self.function
        self.function = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        for statement in _without_docstring(node.body):
            self.visit(statement)
        self.function = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        self.visit(node.func)
        for each in [*node.args[name in _TYPING :], *node.keywords]:
            self.visit(each)

    def visit_Compare(self, node: ast.Compare) -> None:
        for number, operator in enumerate(node.ops):
            ops: list[ast.cmpop] = [*node.ops[:number], _COMPARISONS[type(operator)](), *node.ops[number + 1 :]]
            self.add(node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.add(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.add(node, node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _ARITHMETIC:
            self.add(node, ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add(node, ast.Constant(not node.value))
        elif isinstance(node.value, (int, float)):
            self.add(node, ast.Constant(node.value + 1))
            self.add(node, ast.Constant(node.value - 1))
        elif isinstance(node.value, (str, bytes)):
            self.add(node, ast.Constant(_changed(node.value)))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Changes one part at a time. Before Python 3.12 only the position of the whole string is known."""
        for number, part in enumerate(node.values):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                values = [*node.values[:number], ast.Constant(_changed(part.value)), *node.values[number + 1 :]]
                self.add(node, ast.JoinedStr(values))

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        self.negate(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_If  # noqa: N815

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.negate(test)
        self.generic_visit(node)

    def negate(self, test: ast.expr) -> None:
        if not isinstance(test, (ast.Compare, ast.UnaryOp)):  # these have mutants of their own
            self.add(test, ast.UnaryOp(ast.Not(), test))

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.add(node, "return None")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self.add(node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue | ast.Break) -> None:
        self.add(node, "pass")

    visit_Break = visit_Continue  # noqa: N815


def _without_docstring(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for number, statement in enumerate(body):
        if number or not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _changed(value: str | bytes) -> str | bytes:
    middle = len(value) // 2
    if isinstance(value, bytes):
        return value[:middle] + b"X" + value[middle:]
    return f"{value[:middle]}X{value[middle:]}"
