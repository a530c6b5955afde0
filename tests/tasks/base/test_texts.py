import pytest

from spacy_bertfamily.errors import Errors
from spacy_bertfamily.tasks.base.texts import find_surrogate, is_iterable, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", ""), ("a" * 8, "a" * 8), ("a" * 9, "aaaaa..."), ("😀" * 9, "😀😀😀😀😀...")],
)
def test_a_shortened_text_has_at_most_that_many_characters(text, shown):
    assert shorten(text, 8) == shown


@pytest.mark.parametrize(
    ("text", "char"), [("", None), ("a\0 é 😀 猫", None), ("\ud800", 0), ("ab\udfffc\ud800", 2)]
)
def test_the_first_lone_surrogate_is_found(text, char):
    assert find_surrogate(text) == char


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ud800b", "\ud83d\ude00 c"])
def test_the_repair_that_the_errors_name_works(text):
    repaired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert find_surrogate(repaired) is None
    expression = "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
    assert expression in str(Errors.B117(name="x", index=0, char=0, surrogate="?"))
    assert expression in str(Errors.B210(what="x", char=0, surrogate="?"))


def test_iterators_are_iterable_and_numbers_are_not():
    assert is_iterable("ab")
    assert is_iterable(iter([]))
    assert not is_iterable(3)
    assert not is_iterable(None)
