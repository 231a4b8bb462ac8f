"""The documentation builds, and its pages need nothing but themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]
ELSEWHERE = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="?(?:https?:)?//[^>]*>')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert site / "index.html" in pages
    for page in pages:
        assert ELSEWHERE.findall(page.read_text(encoding="utf-8")) == [], page


@pytest.mark.parametrize("page", ["README.md", "MODEL_CARD.md", "CHANGELOG.md"])
def test_links_of_a_page_beside_the_documentation(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text()):
        assert (ROOT / target).exists(), target


def test_scripts_of_the_site_are_not_published(site: Path) -> None:
    assert list(site.rglob("*.py")) == []


def test_the_api_has_docstrings_and_signatures(site: Path) -> None:
    page = (site / "api" / "ageing" / "index.html").read_text(encoding="utf-8")
    assert 'id="reage.FaceAger.sweep"' in page
    assert "How much of the change to apply, from 0 (none) to 1." in page
