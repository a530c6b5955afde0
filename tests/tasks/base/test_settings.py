"""What stored settings are compared with."""

import pytest

from spacy_bertfamily.tasks.base.settings import is_same, stored_settings

CONFIG = "[limits]\ntop_k = 3\n\n[components]\n\n[components.qa]\ntop_k = ${limits.top_k}\n"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1 / 3, 0.3333333333, True),  # as it is stored
        (1, 1.0, True),
        (0.0, None, False),
        (None, None, True),
        (0.5, 0.5001, False),
        ("first", "all", False),
        ({"a": 1.0}, {"a": 1.0}, True),
        ({"a": 1.0}, "balanced", False),
    ],
)
def test_values_are_the_same_as_far_as_files_are_exact(a, b, expected):
    assert is_same(a, b) is is_same(b, a) is expected


def test_settings_are_read_from_the_config_beside_a_component(tmp_path):
    (tmp_path / "config.cfg").write_text(CONFIG, encoding="utf8")
    assert stored_settings(tmp_path / "qa") == {"top_k": 3}
    assert stored_settings(tmp_path / "other") == {}


@pytest.mark.parametrize(
    "text", [None, "[components", "[components]\nqa = 3\n", "\x00", "[a]\nb = ${c}\n"]
)
def test_without_a_config_that_can_be_read_nothing_is_known(tmp_path, text):
    if text is not None:
        (tmp_path / "config.cfg").write_text(text, encoding="utf8")
    assert stored_settings(tmp_path / "qa") == {}
