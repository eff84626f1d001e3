"""Wheel and source package as they are published: what is in them, and how the wheel runs alone, with the oldest of everything."""

import json
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import edgesoft
from tests.conftest import ROOT, Ended

READY = ROOT / "exported"
VERMIN = Path(sys.executable).with_name("vermin")


def run(*words: object, cwd: Path) -> Ended:
    process = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, timeout=600)
    return Ended(process.returncode, process.stdout, process.stderr)


def tracked(*under: str) -> list[str]:
    return subprocess.run(
        ["git", "ls-files", *under], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The source package made of what git tracks, and the wheel made of that package."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in tracked("edgesoft", "tests/test_*.py", "*.toml", "*.md", "LICENSE", "MANIFEST.in"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    ended = run(sys.executable, "-m", "build", "--outdir", made, cwd=source)
    if ended.code != 0:
        said = ended.out + ended.err
        if (
            "No module named build" in said
            or "Could not find a version that satisfies the requirement setuptools" in said
        ):
            pytest.skip("nothing can be built here (pip install build, and an index that pip can reach)")
        raise AssertionError(said)
    (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
    return sdist, wheel


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"edgesoft-{edgesoft.__version__}.dist-info/METADATA").decode()
        contents = {name: wheel.read(name) for name in names}
    info = {name for name in names if name.startswith(f"edgesoft-{edgesoft.__version__}.dist-info/")}
    assert names - info == set(tracked("edgesoft"))
    assert {"licenses/LICENSE", "licenses/edgesoft/data/embedded/LICENSE.md"} <= {
        name.partition("/")[2] for name in info
    }
    assert contents["edgesoft/py.typed"] == b""
    assert "Requires-Python: >=3.10\n" in metadata
    extras = re.findall(r"^Provides-Extra: (.*)$", metadata, flags=re.MULTILINE)
    assert {"cpu", "gpu", "train"} <= set(extras)
    # Two runtimes in one folder are none: whoever installs names one.
    always = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    assert len(always) == 4 and not any("onnx" in line or "torch" in line for line in always)
    assert not any(str(ROOT).encode() in content for content in contents.values())


def test_the_source_package_builds_and_brings_no_tests(built):
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert set(tracked("edgesoft")) | {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert not any(name.startswith(("tests", "exported", "scripts")) for name in names)


def oldest(wheel: Path, extra: str | None = None) -> dict[str, str]:
    """Name -> lower bound of what the wheel always needs, or of what an extra of it needs."""
    with zipfile.ZipFile(wheel) as file:
        metadata = file.read(f"edgesoft-{edgesoft.__version__}.dist-info/METADATA").decode()
    needs = re.findall(
        r"^Requires-Dist: ([a-z-]+)[^;\n]*>=([0-9.]+)[^;\n]*(?:; extra == [\"'](.*)[\"'])?$", metadata, re.MULTILINE
    )
    return {name: version for name, version, of in needs if of == (extra or "")}


def exactly(versions: dict[str, str]) -> list[str]:
    return [f"{name}=={version}" for name, version in versions.items()]


@pytest.fixture(scope="module")
def bare(built, tmp_path_factory) -> Path:
    """The programs of a clean environment with the wheel, and what it always needs, as old as it may be; no runtime yet."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    install(programs, built[1], *exactly(oldest(built[1])))
    return programs


def install(programs: Path, *what: object) -> None:
    pip = (
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    )
    ended = run(*pip, *what, cwd=programs)
    if ended.code != 0:
        lines = ended.err.strip().splitlines() or ["pip said nothing"]
        pytest.skip(f"{' '.join(map(str, what[1:]))} cannot be installed here: {lines[-1]}")


def test_the_wheel_runs_where_nothing_else_is(built, bare, tmp_path):
    """In one test, because its second half installs what the first half misses."""
    program, picture = bare / "edgesoft", READY / "samples" / "7-mnist.png"
    assert run(program, "--version", cwd=tmp_path).out == f"{edgesoft.__version__}\n"
    assert run(program, "infer", "--help", cwd=tmp_path).code == 0
    for words in (("infer", picture, "--model", READY), ("verify", READY / "mnist.int8.onnx"), ("bench", READY)):
        ended = run(program, *words, cwd=tmp_path)
        assert (ended.code, ended.out) == (1, "")
        assert ended.one_line().startswith("error: ONNX Runtime is not installed. ")
        assert ended.one_line().endswith("pip install 'edgesoft[cpu]'")
    ended = run(program, "train", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "") and "pip install 'edgesoft[train]'" in ended.one_line()

    runtime, bounds = oldest(built[1], "cpu"), oldest(built[1])
    assert runtime == {"onnxruntime": "1.17"} and set(bounds) == {"numpy", "pillow", "rich", "typer"}
    install(bare, f"{built[1]}[cpu]", *exactly(runtime), *exactly(bounds))
    warned = (bare / "python", "-W", "error", "-m", "edgesoft")
    document = json.loads(run(*warned, "doctor", "--json", cwd=tmp_path).out)
    assert document["runtime"]["version"].startswith(runtime["onnxruntime"])
    for name, version in document["packages"].items():
        assert version is None if name in ("torch", "onnx") else version.startswith(bounds[name])
    for model in (READY / "mnist.onnx", READY / "mnist.int8.onnx", READY / "conv" / "mnist.int8.onnx"):
        report = json.loads(run(*warned, "verify", model, "--json", cwd=tmp_path).out)
        assert report["passed"] and report["examples"] == 64
    pictures = sorted((READY / "samples").iterdir())
    ended = run(*warned, "infer", "--quiet", "--json", "--model", READY, *pictures, cwd=tmp_path)
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [answer["label"] for answer in answers] == [path.name[0] for path in pictures]
    ours = edgesoft.load(READY / "mnist.int8.onnx")
    assert answers[0]["probabilities"].keys() <= set(ours.card.labels)
    for words in (("inspect", READY / "mnist.onnx"), ("diff", READY / "mnist.onnx", READY / "mnist.int8.onnx")):
        assert run(*warned, *words, cwd=tmp_path).code == 0
    assert list(tmp_path.iterdir()) == []


def vermin(*paths: object, cwd: Path) -> Ended:
    if not VERMIN.exists():
        pytest.skip("vermin is not installed (pip install vermin)")
    return run(VERMIN, "--quiet", "--no-tips", "--violations", "--target=3.10-", *paths, cwd=cwd)


def test_nothing_needs_a_newer_python():
    """Static, because only one Python is at hand: vermin knows since when each word, module and method is there."""
    ended = vermin("edgesoft", cwd=ROOT)
    assert ended.code == 0, ended.out


def test_a_newer_word_would_be_found(tmp_path):
    (tmp_path / "new.py").write_text("import hashlib\nhashlib.file_digest\n")
    ended = vermin("new.py", cwd=tmp_path)
    assert ended.code == 1 and "file_digest" in ended.out
