"""What users install: the wheel's content, and how soon `import ganaug` and `ganaug --help` answer."""

import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ganaug.recipe import shipped

ROOT = Path(__file__).parent.parent
HELP = "import sys; from ganaug.cli import main; sys.argv[1:] = ['--help']; main()"
HEAVY = ("torch", "numpy", "pydantic", "PIL", "sklearn", "matplotlib", "albumentations", "datasets")


def python(*arguments: str, cwd: Path = ROOT, path: Path | None = None) -> str:
    """What a fresh interpreter prints."""
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seconds(code: str) -> float:
    """What a program takes of a processor, the best of five: a busy machine hardly changes that."""
    taken = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python("-c", code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def test_import_takes_less_than_a_tenth_of_a_second() -> None:
    assert seconds("import ganaug") - seconds("pass") < 0.1


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    assert seconds(HELP) < 0.3


@pytest.mark.parametrize("code", ["import ganaug", HELP], ids=["import", "help"])
def test_imports_nothing_heavy(code: str) -> None:
    listing = f"import atexit, sys\natexit.register(lambda: print(sorted(set({HEAVY}) & set(sys.modules))))\n"
    assert python("-c", listing + code).splitlines()[-1] == "[]"


def test_every_public_name_loads() -> None:
    code = "import ganaug; print([name for name in ganaug.__all__ if not hasattr(ganaug, name)])"
    assert python("-c", code) == "[]\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out))
    return next(out.glob("*.whl"))


def test_the_wheel_carries_the_package_and_its_data_alone(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    code = [name for name in names if name.endswith(".py")]
    tracked = [path.relative_to(ROOT).as_posix() for path in (ROOT / "ganaug").rglob("*.py")]
    assert sorted(code) == sorted(tracked)
    assert sorted(set(names) - set(code)) == sorted(
        ["ganaug/py.typed"]
        + [f"ganaug/templates/{path.name}" for path in (ROOT / "ganaug/templates").iterdir()]
        + [f"ganaug/recipes/{name}.toml" for name in shipped()]
    )


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel))
    code = """
import json, sys, ganaug
from pathlib import Path
from ganaug.cli import main
from ganaug.recipe import shipped
from ganaug.report import Pictures, write_report
from torch import zeros
pictures = Pictures(zeros(2, 1, 8, 8).byte(), ("cat", "dog"))
page = write_report(Path("report"), {"schema": 1, "gain": None}, pictures)
print(json.dumps([ganaug.__file__, [str(path) for path in shipped().values()], page.stat().st_size]))
sys.argv[1:] = ["recipes"]
main()
"""
    first, *lines = python("-c", code, cwd=elsewhere, path=target).splitlines()
    module, recipes, size = json.loads(first)
    assert Path(module).is_relative_to(target)
    assert size > 1000  # the template was found
    assert all(Path(recipe).is_relative_to(target) for recipe in recipes)
    assert [line.split()[0] for line in lines] == list(shipped())
