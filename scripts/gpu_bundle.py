"""Carry the package's dependencies to a machine without network, in parts of at most 18 MB.

    python scripts/gpu_bundle.py make FOLDER [--python 3.12] [--without NAME ...]
    python scripts/gpu_bundle.py install FOLDER [--to bundle_packages]

`make` takes this package and the versions of its dependencies that are installed here, lets pip
unpack their Linux wheels for a version of Python, drops tests and sources of compiled modules, and
packs the rest. torch and CuPy, which fit a GPU's driver, are left to the other machine, and so is
what --without names. `install` needs nothing but Python: it joins the parts, compares their hash,
and unpacks them to a folder that PYTHONPATH must name.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "spacy-bertfamily"
PART = 18 * 1000 * 1000
ELSEWHERE = ("torch", "triton", "cupy", "nvidia", "cuda", "pip", "setuptools")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")
# not .cu: thinc compiles its kernels where they run
DROPPED = {".c", ".cpp", ".pyx"}


def find_requirements(without: list[str], python: str) -> list[str]:
    """Find the dependencies of this package, with the versions that are installed here.

    without (list[str]): Names that are left out, with what only they need.
    python (str): The version of Python on the other machine.
    RETURNS (list[str]): Requirements for pip.
    """
    from packaging.requirements import Requirement

    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    environment.update(sys_platform="linux", platform_machine="x86_64", platform_system="Linux")
    found: dict[str, str] = {}
    waiting = [PACKAGE]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found or name in without or name.startswith(ELSEWHERE):
            continue
        found[name] = metadata.version(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                waiting.append(requirement.name)
    del found[PACKAGE]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def make(folder: Path, python: str, without: list[str]) -> None:
    """Write the parts of a bundle, and their hash, to a new folder."""
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet"]
    wheels = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp"]
    wheels += [f"--platform={platform}" for platform in PLATFORMS]
    with tempfile.TemporaryDirectory() as temporary:
        tree, archive = Path(temporary) / "tree", Path(temporary) / "bundle.tar.xz"
        pip += ["--target", str(tree)]
        subprocess.run([*pip, *wheels, *find_requirements(without, python)], check=True)
        subprocess.run([*pip, str(ROOT)], check=True)
        drop_unused(tree)
        with tarfile.open(archive, "w:xz", preset=3) as tar:
            tar.add(tree, arcname=".")
        content = archive.read_bytes()
    for number, start in enumerate(range(0, len(content), PART)):
        (folder / f"part{number:03}").write_bytes(content[start : start + PART])
    (folder / "sha256").write_text(hashlib.sha256(content).hexdigest())
    print(f"{len(content) / 1e6:.0f} MB in {number + 1} parts in {folder}")


def drop_unused(tree: Path) -> None:
    """Remove tests, and sources of modules that are compiled."""
    for path in sorted(tree.rglob("*")):
        is_unused = path.name in ("tests", "__pycache__") and "numpy" not in path.parts
        if path.is_dir() and is_unused:  # numpy.testing imports a module of numpy's tests
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in DROPPED:
            path.unlink()


def install(folder: Path, to: Path) -> None:
    """Join the parts of a bundle, and unpack them to a folder."""
    with tempfile.TemporaryFile() as joined:
        digest = hashlib.sha256()
        for part in sorted(folder.glob("part*")):
            content = part.read_bytes()
            digest.update(content)
            joined.write(content)
        if digest.hexdigest() != (folder / "sha256").read_text().strip():
            sys.exit(f"The parts in {folder} are not complete, or were changed.")
        joined.seek(0)
        with tarfile.open(fileobj=joined, mode="r:xz") as tar:
            tar.extractall(to, filter="data")
    print(f"export PYTHONPATH={to.resolve()}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("make", "install"))
    parser.add_argument("folder", type=Path, help="of the parts")
    parser.add_argument("--python", default="3.12", help="version on the other machine")
    parser.add_argument("--without", nargs="+", default=[], help="what that machine has already")
    parser.add_argument("--to", type=Path, default=Path("bundle_packages"))
    args = parser.parse_args()
    if args.what == "make":
        make(args.folder, args.python, args.without)
    else:
        install(args.folder, args.to)


if __name__ == "__main__":
    main()
