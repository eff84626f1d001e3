"""Imports go one way, from the foundation up to the command line, without circles; and a device has no PyTorch."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import edgesoft
from tests.conftest import environment

PACKAGE = Path(edgesoft.__file__).parent
# Lowest first: a module imports from its own room and from those before it, rooms of one line not from each other.
LEVELS = [
    ("errors", "version", "escape"),
    ("files", "settings", "names"),
    ("npz", "transaction"),
    ("terminal",),
    ("pictures", "tables"),
    ("model",),
    ("pages",),
    ("targets",),
    ("inference",),
    ("data", "serving"),
    ("bulk",),
    ("training",),
    ("exporting",),
    ("progress",),
    ("api",),
    ("cli", "sklearn"),
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
HEAVY = {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "sklearn", "scipy"}


def imports(file, *, everywhere=True):
    """The absolute names that a module imports; `everywhere`: within functions too, but never what only types need."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
        if not everywhere and isinstance(node, ast.FunctionDef):
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield node.module
            if node.module == "edgesoft" or node.module in {f"edgesoft.{part}" for part in LEVEL}:
                yield from (f"{node.module}.{name.name}" for name in node.names)


def modules():
    return sorted(file for file in PACKAGE.rglob("*.py"))


def part_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_a_level():
    unknown = {part_of(file) for file in modules()} - set(LEVEL) - {"__init__", "__main__"}
    assert not unknown


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file):
    part = part_of(file)
    if part in ("__init__", "__main__"):
        return
    for name in imports(file):
        top, *rest = name.split(".")
        if top == "edgesoft" and rest and rest[0] in LEVEL:
            other = rest[0]
            assert other == part or LEVEL[other] < LEVEL[part], f"{part} imports {name}"
        if (LEVEL[part] < LEVEL["training"] and file.name != "torchvision_import.py") or (
            part == "cli" and name in imports(file, everywhere=False)
        ):
            assert top not in HEAVY, f"{file.name} imports {name}"


def graph():
    """Module -> the modules of this package that it imports anywhere: within functions, and for types only, too."""
    names = {file: ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in modules()}
    known = {name.removesuffix(".__init__") for name in names.values()}
    found = {}
    for file, name in names.items():
        wanted = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                wanted |= (inner & known) or {node.module}
        found[name.removesuffix(".__init__")] = (wanted & known) - {name.removesuffix(".__init__")}
    return found


def circle(edges):
    """A row of modules that import each other in a loop; None when there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(edges.get(name, ())):
            if (found := visit(other)) is not None:
                return found
        done.add(path.pop())
        return None

    return next((found for name in sorted(edges) if (found := visit(name)) is not None), None)


def test_no_import_runs_in_a_circle_or_upwards_not_even_for_types():
    edges = graph()
    assert len(edges) > 90
    assert circle(edges) is None
    rooms = {name: name.split(".")[1] for name in edges if "." in name}
    upward = [
        (name, other)
        for name, others in edges.items()
        for other in others
        if rooms.get(name) in LEVEL and rooms.get(other) in LEVEL and LEVEL[rooms[other]] > LEVEL[rooms[name]]
    ]
    assert upward == []


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) is None


def test_the_check_can_fail(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(
        "def f():\n    import torch\n    from edgesoft import training\n    from edgesoft.cli import console\n"
    )
    assert set(imports(file)) >= {"torch", "edgesoft.training", "edgesoft.cli.console"}
    assert not set(imports(file, everywhere=False))


def test_importing_edgesoft_imports_nothing_heavy():
    script = (
        "import sys, json; before = set(sys.modules); import edgesoft; edgesoft.__version__; dir(edgesoft); "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=True)
    loaded = {name.split(".")[0] for name in json.loads(out.stdout)}
    assert not loaded & {*HEAVY, "numpy", "onnxruntime", "PIL", "typer", "rich"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'fit'"):
        _ = edgesoft.fit


# A finder that comes first: as if the packages had never been installed.
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)
sys.meta_path.insert(0, Blocked())
"""


def blocked(*arguments, names=HEAVY, cwd=None):
    script = BLOCKED.format(names=sorted(names)) + (
        "import runpy; sys.argv = ['edgesoft', *sys.argv[1:]]; runpy.run_module('edgesoft', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=120,
    )


def test_a_device_without_torch_and_onnx_runs_its_commands(exported, digit):
    small, large = exported / "mnist.int8.onnx", exported / "mnist.onnx"
    for arguments in (
        ("infer", digit, "--model", exported, "--json"),
        ("verify", small),
        ("verify", large, "--json"),
        ("inspect", small, "--json"),
        ("diff", small, large),
        ("--help",),
        *((command, "--help") for command in ("train", "export", "infer", "evaluate", "verify", "inspect", "diff")),
    ):
        process = blocked(*arguments)
        assert process.returncode == 0, (arguments, process.stderr)
        assert process.stdout


def test_the_block_blocks(tmp_path):
    process = blocked("train", "--epochs", "1", cwd=tmp_path)
    assert process.returncode != 0
    assert "is not installed here" in process.stderr or "edgesoft[train]" in process.stderr


def test_every_device_module_imports_without_torch_and_onnx():
    names = [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for file in modules()
        if part_of(file) in LEVEL and LEVEL[part_of(file)] <= LEVEL["inference"]
    ]
    script = (
        BLOCKED.format(names=sorted(HEAVY))
        + "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    )
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *names], capture_output=True, text=True, env=environment()
    )
    assert process.returncode == 0, process.stderr
