"""docs/api.md says what the docstrings say."""

import subprocess
import sys

import pytest

from ..util.files import ROOT

SCRIPT = ROOT / "scripts" / "make_api_page.py"


@pytest.fixture
def docstrings(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import docstrings

    return docstrings


@pytest.mark.slow
def test_page_is_up_to_date():
    command = [sys.executable, str(SCRIPT), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_part_of_a_docstring_is_found(docstrings):
    text = """Make one thing of
        two.

        Details (such as these) may
        follow.

        a, b (dict[str, Any]): Two things, with a text that is
            wrapped.
        c: As in `other`.
        *Shape:* `(a, b)`.
        RETURNS (tuple[int, ...]): Several
            numbers.
        RAISES (ValueError): If it cannot.
        """
    found = docstrings.parse(text, ["a", "b", "c"])
    assert found.paragraphs == [
        "Make one thing of two.",
        "Details (such as these) may follow.",
        "*Shape:* `(a, b)`.",
    ]
    assert found.arguments == [
        ("a, b", "dict[str, Any]", "Two things, with a text that is wrapped."),
        ("c", "", "As in `other`."),
    ]
    assert found.results == [
        ("RETURNS", "tuple[int, ...]", "Several numbers."),
        ("RAISES", "ValueError", "If it cannot."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "RETURNS (int): The number, which is\n    wrapped. RAISES (ValueError): If there is none.",
        "RETURNS (int): The number, which is wrapped.\n    RAISES (ValueError): If there is none.",
    ],
)
def test_docstrings_that_begin_with_the_result(docstrings, text):
    assert docstrings.parse(text).results == [
        ("RETURNS", "int", "The number, which is wrapped."),
        ("RAISES", "ValueError", "If there is none."),
    ]


def test_sentences_after_the_arguments_are_not_part_of_them(docstrings):
    found = docstrings.parse("Do it.\n\n    a (int): A number.\n    The rest is as before.")
    assert found.arguments == [("a", "int", "A number.")]
    assert found.paragraphs == ["Do it.", "The rest is as before."]


def test_a_call_is_shown_with_its_defaults(docstrings):
    import inspect

    def call(a, *, b="x", c=None, d=(1, 2), e=object()):  # noqa: B008
        pass

    (_, shown, *_) = docstrings.show_signature("call", inspect.signature(call).parameters)
    assert shown == 'call(a, *, b="x", c=None, d=(1, 2), e=...)'
