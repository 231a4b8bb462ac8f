"""Every fenced example of the README and the documentation does what it says."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from face_clip import write_face_clip
from markdown_examples import Example, commands, find_examples
from PIL import Image
from typer.core import TyperCommand

from reage.cli.app import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [e for page in PAGES for e in find_examples(page, str(page.relative_to(ROOT)))]
NOT_RUN = {"csv", "json", "text", "toml"}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def written_in(language: str) -> pytest.MarkDecorator:
    chosen = [example for example in EXAMPLES if example.language == language]
    return pytest.mark.parametrize("example", chosen, ids=lambda example: example.place)


@pytest.fixture(scope="session")
def materials(
    tmp_path_factory: pytest.TempPathFactory,
    astronaut_path: Path,
    symlink: Callable[[Path, Path], None],
) -> Path:
    """A folder with what the examples read."""
    folder = tmp_path_factory.mktemp("materials")
    for inner in ("album/2019", "examples"):
        (folder / inner).mkdir(parents=True)
    shutil.copy(astronaut_path, folder / "examples")
    with Image.open(astronaut_path) as photo:
        for name in ("photo.jpg", "family.jpg", "me.jpg", "album/one.jpg", "album/2019/two.jpg"):
            photo.convert("RGB").save(folder / name)
        photo.crop((140, 30, 300, 190)).save(folder / "crop.png")
    symlink(folder / "export", ROOT / "src" / "reage" / "weights")
    for name in ("clip.mp4", "clip.mov"):
        write_face_clip(folder / name, astronaut_path, frames=4)
    return folder


@pytest.fixture
def working_folder(materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Works in a copy of the materials, which the example may change."""
    shutil.copytree(materials, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def imported_from_reage(code: str) -> list[tuple[str, str]]:
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    return [
        (node.module, alias.name)
        for node in imports
        if node.module is not None and node.module.split(".")[0] == "reage"
        for alias in node.names
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_language_is_one_that_is_run_or_is_none_to_run(example: Example) -> None:
    assert example.language in {"bash", "python", *NOT_RUN}


@written_in("python")
@pytest.mark.usefixtures("working_folder")
def test_python(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    # A server would not come back.
    monkeypatch.setattr("uvicorn.run", lambda _: None)
    program = compile(example.code, example.place, "exec")
    if example.parse_only:
        for module, name in imported_from_reage(example.code):
            assert hasattr(importlib.import_module(module), name)
    else:
        exec(program, {"__name__": "__main__"})


@written_in("bash")
@pytest.mark.usefixtures("working_folder")
def test_commands(
    example: Example, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if example.parse_only:
        monkeypatch.setattr(TyperCommand, "invoke", lambda *_: None)
    for words in commands(example.code):
        if Path(words[0]).name == "reage":
            assert main(words[1:]) == 0, capsys.readouterr().err


@written_in("bash")
def test_extras_exist(example: Example) -> None:
    for words in commands(example.code):
        if Path(words[0]).name == "pip":
            named = re.findall(r"\[([\w,]+)\]", " ".join(words))
            assert {extra for names in named for extra in names.split(",")} <= EXTRAS.keys()
