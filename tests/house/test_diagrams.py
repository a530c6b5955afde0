"""The diagrams of docs/how_it_works.md show what the files and the pipeline say."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from ..util.files import ROOT

FOLDER = ROOT / "docs" / "diagrams"
NAMES = ("adapters", "layer_mix", "answer")


@pytest.fixture
def diagrams(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import make_diagrams

    return make_diagrams


def words(text):
    return re.findall(r"<text[^>]*>([^<]*)</text>", text)


def test_all_are_drawn_and_shown(diagrams):
    assert set(diagrams.DIAGRAMS) == set(NAMES) == {path.stem for path in FOLDER.glob("*.svg")}
    page = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf8")
    for name in NAMES:
        assert re.search(rf"!\[[^\]]{{30,}}\]\(diagrams/{name}\.svg\)", page)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_valid_and_have_a_title(name):
    root = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    assert root.find("{http://www.w3.org/2000/svg}title").text


@pytest.mark.parametrize("name", ["adapters", "layer_mix"])
def test_they_are_up_to_date(diagrams, name):
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf8") == diagrams.DIAGRAMS[name]()


def test_the_mix_has_the_weights_of_the_results(diagrams):
    weights, gamma = diagrams.read_mix("tagger")
    shown = words((FOLDER / "layer_mix.svg").read_text(encoding="utf8"))
    assert [f"{weight:.2f}" for weight in weights] == [
        word for word in shown if re.fullmatch(r"\d\.\d\d", word)
    ][::2]
    assert any(f"{gamma:.2f}" in word for word in shown)


@pytest.mark.slow
def test_the_answer_is_that_of_the_released_pipeline(diagrams):
    """Probabilities may differ in the last digits on other processors; the pieces do not."""
    pieces, scores = diagrams.read_scores()
    assert pieces[scores[:, 0].argmax()] == "el"
    assert pieces[scores[:, 1].argmax()] == "muir"
    shown = words((FOLDER / "answer.svg").read_text(encoding="utf8"))
    assert [word for word in shown if word in pieces] == pieces
