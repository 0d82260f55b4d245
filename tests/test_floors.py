"""The house rules that a machine can hold: floors, sizes, docstrings, and doors that stay shut."""

import ast
import re
import socket
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import NetworkUsed

import ganaug

PACKAGE = Path(ganaug.__file__).parent
FLOORS = [
    "errors",
    "files ranks",
    "images recipe",
    "data",
    "losses conditioning descent diffaug nets auto checkpoint measures",
    "training translation",
    "synthesis",
    "run",
    "datasets hf imbalance transforms corpus report inspection",
    "study inspection",
    "demo cli __init__",
    "__main__",
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
GENERATING = {"training", "translation", "synthesis", "nets", "losses", "conditioning", "diffaug", "auto", "checkpoint"}
FILES = sorted(PACKAGE.rglob("*.py"))
SHUT = {
    "pickle": r"\b(c?[pP]ickle|dill|shelve|marshal)\b",
    "joblib": r"\bjoblib\.(load|dump)\b|\bfrom joblib import[^\n]*\b(load|dump)\b",
    "torch.load": r"\btorch\.(load|save)\b|\bload_state_dict_from_url\b|\btorch\.hub\b",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "compile": r"(?<![\w.])compile\(|__import__\(",
    "yaml": r"\byaml\.(unsafe_|full_)?load(_all)?\b",
    "shell": r"shell\s*=\s*True|os\.system\(|os\.popen\(|getoutput\(",
    "command in one string": r"(?<!\w)(run|call|check_call|check_output|Popen)\(f?['\"]",
    "extract": r"\.extract(all)?\(|unpack_archive\(",
    "mktemp": r"\bmktemp\(",
    "remote code": r"trust_remote_code",
    "allow_pickle": r"allow_pickle\s*=\s*True",
}
NUMPY_LOADS = r"(np|numpy)\.load|(\w+\.)*read_array"
CHECKOUT = PACKAGE.parent
BESIDE = sorted(
    f for room in ("examples", "recipes", "tests/bench") for f in (CHECKOUT / room).rglob("*.py")
)  # what users copy


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


@cache
def code_in_tree(file: Path) -> str:
    """`code_of` a file that stays as it is."""
    return code_of(file)


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
    assert [str(f.relative_to(CHECKOUT)) for f in [*FILES, *BESIDE] if re.search(SHUT[door], code_in_tree(f))] == []


def test_numpy_never_loads_objects():
    calls = [node for f in [*FILES, *BESIDE] for node in ast.walk(ast.parse(f.read_text(encoding="utf-8")))]
    loads = [c for c in calls if isinstance(c, ast.Call) and re.fullmatch(NUMPY_LOADS, ast.unparse(c.func))]
    refused = [
        ast.unparse(call)
        for call in loads
        if not any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in call.keywords)
    ]
    assert refused == []
    assert re.fullmatch(NUMPY_LOADS, "np.load") and re.fullmatch(NUMPY_LOADS, "numpy.lib.format.read_array")


def test_the_scan_sees_what_it_looks_for(tmp_path: Path):
    planted = {
        "pickle": ["import pickle", "dill.loads(x)"],
        "joblib": ["joblib.load(x)", "from joblib import Parallel, load"],
        "torch.load": ["torch.load(x)", "torch.hub.load(x)"],
        "eval": ["eval('1')"],
        "exec": ["exec('1')"],
        "compile": ["compile(x, 'x', 'exec')", "__import__('os')"],
        "yaml": ["yaml.load(f)", "yaml.unsafe_load(f)", "yaml.load_all(f)"],
        "shell": ["run(x, shell=True)", "os.system('x')", "subprocess.getoutput(x)"],
        "command in one string": ["subprocess.run('rm -r x')", "Popen(f'rm {x}')"],
        "extract": ["z.extractall()", "z.extract(x)", "shutil.unpack_archive(x)"],
        "mktemp": ["tempfile.mktemp()"],
        "remote code": ["load(x, trust_remote_code=True)"],
        "allow_pickle": ["np.load(f, allow_pickle=True)"],
    }
    assert set(planted) == set(SHUT)
    file = tmp_path / "planted.py"
    for door, lines in planted.items():
        for line in lines:
            file.write_text(f'"""Docstring."""\ndef f():\n    {line}\n')
            assert re.search(SHUT[door], code_of(file)), line
    for door, harmless in (
        ("eval", "model.eval()"),
        ("compile", "re.compile(x)"),
        ("extract", "features.extract_all"),
        ("command in one string", "subprocess.run(['git', 'log'])"),
    ):
        assert not re.search(SHUT[door], harmless)


def test_no_test_reaches_the_network_and_every_test_reaches_its_own_machine():
    with socket.socket() as outside, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for call in (outside.connect, outside.connect_ex, lambda address: datagrams.sendto(b"x", address)):
            with pytest.raises(NetworkUsed, match=r"a connection to \('192.0.2.1', 80\)"):
                call(("192.0.2.1", 80))
    with pytest.raises(NetworkUsed, match=r"a look-up of 'example.org'"):
        urllib.request.urlopen("https://example.org")
    with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"hello")
        with server.accept()[0] as accepted:
            assert accepted.recv(5) == b"hello"
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        assert other.recv(5) == b"hello"
