"""What we serve of other people's is what was reviewed, with its licence, and is all there is."""

import base64
import hashlib
import tomllib
from pathlib import Path
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder

from protem.entrypoints.web_ui.static_files import static_files

ROOT = Path(__file__).parents[2]
PINS = tomllib.loads((ROOT / "scripts/vendor.lock.toml").read_text())["files"]
PACKAGES = tomllib.loads((ROOT / "scripts/vendor.toml").read_text())["package"]
FOLDERS = {Path(package["into"]) for package in PACKAGES}


def test_every_vendored_file_is_the_pinned_one():
    """No file differs from its digest, none is missing, and none lies there that nobody pinned."""
    found = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                digest = base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
                found[str(path.relative_to(ROOT))] = f"sha384-{digest}"
    assert found == PINS


def test_every_vendored_package_brings_its_licence():
    """A licence lies beside the files that it is about."""
    assert {str(Path(path).parent) for path in PINS} == {
        str(Path(path).parent) for path in PINS if Path(path).name.startswith("LICENSE")
    }


def test_pages_load_vendored_files_of_the_listed_version():
    """Every script of other people's that we serve is on the list."""
    served = [path for path in static_files().content if path.startswith("vendor/")]
    prefix = "src/protem/entrypoints/web_ui/static/"
    assert served
    assert {prefix + path for path in served} <= PINS.keys()


def test_the_wheel_carries_templates_and_static_files(tmp_path):
    """A build takes every file that the pages need."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = set(ZipFile(wheel).namelist())
    folder = ROOT / "src/protem/entrypoints/web_ui"
    needed = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.suffix for path in needed} >= {".html", ".css", ".js", ".svg"}
    assert {str(path.relative_to(ROOT / "src")) for path in needed} - packed == set()
