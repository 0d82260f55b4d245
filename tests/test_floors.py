"""The house rules that a machine can hold: floors, sizes, docstrings, and doors that stay shut."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganaug

PACKAGE = Path(ganaug.__file__).parent
FLOORS = [
    "errors",
    "files",
    "images recipe",
    "data",
    "losses conditioning diffaug nets auto checkpoint measures",
    "training translation",
    "synthesis",
    "run",
    "datasets hf imbalance transforms corpus report",
    "study",
    "demo cli __init__",
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
GENERATING = {"training", "translation", "synthesis", "nets", "losses", "conditioning", "diffaug", "auto", "checkpoint"}
FILES = sorted(PACKAGE.rglob("*.py"))
SHUT = {
    "pickle": r"\b(c?[pP]ickle|dill|joblib\.(load|dump)|shelve|marshal)\b",
    "torch.load": r"\btorch\.(load|save)\b",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "yaml": r"\byaml\.(unsafe_|full_)?load\b",
    "shell": r"shell\s*=\s*True|os\.system\(|os\.popen\(",
    "extractall": r"\.extractall\(",
    "remote code": r"trust_remote_code",
    "allow_pickle": r"allow_pickle\s*=\s*True",
}


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def room_named(dotted: str) -> str | None:
    """The room of a module such as `ganaug.data.folder`; None for other people's packages."""
    first, _, rest = dotted.partition(".")
    return (rest.split(".")[0] or "__init__") if first == "ganaug" else None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that the code imports, wherever the import stands; what only type checkers see is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            whole = node.module or ""
            yield from (f"{whole}.{a.name}" if whole == "ganaug" else whole for a in node.names)
        elif not is_type_checking(node):
            yield from imported(node)


def rooms_below(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {room for name in imported(tree) if (room := room_named(name))} - {room_of(file)}


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def code_of(file: Path) -> str:
    """The code without its docstrings and comments, which may speak of what is forbidden."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def test_every_room_has_a_floor():
    assert {room_of(file) for file in FILES} - set(FLOOR) == set(), "give the new room a floor"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_every_import_points_down(file: Path):
    room = room_of(file)
    upward = {other for other in rooms_below(file) if FLOOR[other] >= FLOOR[room]}
    # The three sit side by side on the top floor; only the lazy façade may name everything.
    assert upward - ({"demo"} if room == "cli" else set()) == set() or room == "__init__"


def test_measures_and_the_generating_rooms_do_not_know_each_other():
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {sorted(rooms)}"
        for file in FILES
        for rooms in [rooms_below(file)]
        if (room_of(file) == "measures" and rooms & (GENERATING | {"run"}))
        or (room_of(file) in GENERATING and "measures" in rooms)
    ]
    assert wrong == []


def test_the_lazy_facade_names_only_what_is_there():
    for name in ganaug.__all__:
        assert getattr(ganaug, name).__doc__


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_files_are_short_and_their_public_names_documented(file: Path):
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(tree), "the module says what it is"
    assert [node.name for node in public(tree) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("door", SHUT)
def test_dangerous_doors_stay_shut(door: str):
    assert [str(f.relative_to(PACKAGE)) for f in FILES if re.search(SHUT[door], code_of(f))] == []


def test_numpy_never_loads_objects():
    loads = [
        call
        for file in FILES
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("np.load", "numpy.load")
    ]
    assert loads
    for call in loads:
        assert any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in call.keywords)


def test_the_scan_sees_what_it_looks_for(tmp_path: Path):
    planted = {
        "pickle": "import pickle",
        "torch.load": "torch.load(x)",
        "eval": "eval('1')",
        "exec": "exec('1')",
        "yaml": "yaml.load(f)",
        "shell": "run(x, shell=True)",
        "extractall": "z.extractall()",
        "remote code": "load(x, trust_remote_code=True)",
        "allow_pickle": "np.load(f, allow_pickle=True)",
    }
    assert set(planted) == set(SHUT)
    for door, line in planted.items():
        file = tmp_path / "planted.py"
        file.write_text(f'"""Docstring."""\ndef f():\n    {line}\n')
        assert re.search(SHUT[door], code_of(file)), door
    assert not re.search(SHUT["eval"], "model.eval()")
