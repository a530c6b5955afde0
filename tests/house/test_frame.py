"""Importing is cheap, every registered name resolves, and every config builds its pipeline."""

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import spacy
from spacy.util import load_config

from ..util import elmo
from ..util.files import ROOT


def test_importing_the_package_is_cheap():
    heavy = "('transformers', 'torch', 'spacy')"
    code = f"import sys, spacy_bertfamily; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def ours():
    groups = [group for group in entry_points().groups if group.startswith("spacy_")]
    found = {
        (group, e.name): e
        for group in groups
        for e in entry_points(group=group)
        if "spacy_bertfamily" in e.value
    }
    return sorted(found)


@pytest.mark.parametrize(("group", "name"), ours())
def test_entry_points_resolve(group, name):
    (entry, *_) = [e for e in entry_points(group=group, name=name) if "spacy_bertfamily" in e.value]
    assert callable(entry.load())


def test_all_groups_of_entry_points_are_tested():
    assert {group for group, _ in ours()} >= {
        "spacy_factories",
        "spacy_architectures",
        "spacy_adapters",
        "spacy_cli",
    }


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.cfg")), ids=lambda p: p.stem)
def test_configs_are_complete_and_build_their_pipelines(path):
    config = load_config(path)
    # files that users must name
    given = {"elmo_options": elmo.OPTIONS, "elmo_weights": elmo.WEIGHTS}
    config["paths"].update({name: given[name] for name in given if name in config["paths"]})
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.pipe_names == config["nlp"]["pipeline"]


def test_readmes_config_is_the_default():
    """The block that the README shows equals the defaults of the factory."""
    (block,) = re.findall(
        r"```ini\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf8"), re.DOTALL
    )
    shown = spacy.Config().from_str(f"[components]\n\n{block}")["components"]["transformer"]
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "adapter_transformer",
        name="transformer",
        config={k: v for k, v in shown.items() if k != "factory"},
    )
    explicit = nlp.config["components"]["transformer"]
    default = spacy.blank("en")
    default.add_pipe("adapter_transformer", name="transformer")
    assert explicit == default.config["components"]["transformer"]


def test_readme_names_the_types_that_take_adapters():
    from spacy_bertfamily.model_types.table import SPECS

    (listed,) = re.findall(
        r"Backbones of the types (.*?) take adapters", (ROOT / "README.md").read_text(), re.DOTALL
    )
    able = [name for name, spec in SPECS.items() if spec.why_not("houlsby") is None]
    assert sorted(re.split(r",\s+|\s+and\s+", listed)) == sorted(able)
