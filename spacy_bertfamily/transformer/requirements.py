"""What the package of a pipeline requires: the distributions that its backbones come with."""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import packages_distributions, version

from spacy.language import Language


@lru_cache
def find_distribution(name: str) -> str:
    """Find the distribution that a backbone inside a package comes with.

    name (str): The backbone's name.
    RETURNS (str): `distribution==version`; empty for other backbones.
    """
    if ":" not in name:
        return ""
    names = packages_distributions().get(name.partition(":")[0], [])
    return f"{names[0]}=={version(names[0])}" if names else ""


def add_requirements(nlp: Language, backbones: Iterable[str]) -> None:
    """Add distributions to the requirements in a pipeline's meta data, which `spacy package` reads.

    nlp (Language): The pipeline.
    backbones (Iterable[str]): The names of the backbones that it does not store.
    """
    requirements = list(nlp.meta.get("requirements", ()))
    for name in backbones:
        found = find_distribution(name)
        known = {_project(requirement) for requirement in requirements}
        if found and _project(found) not in known:
            requirements.append(found)
    if requirements:
        nlp.meta["requirements"] = requirements


def _project(requirement: str) -> str:
    """RETURNS (str): The normalized name in a requirement."""
    name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
