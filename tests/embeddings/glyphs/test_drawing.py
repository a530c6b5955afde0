"""Pictures of characters."""

import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import srsly

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.embeddings.glyphs.drawing import SIDE, draw_character
from spacy_bertfamily.embeddings.glyphs.pictures import Pictures

from ...util.characters import make_font

# unpacks to more than there should be
BOMB = zlib.compress(bytes(10_000_000))


@pytest.fixture(scope="module")
def fonts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fonts")
    return make_font(folder / "first.ttf", "河湖"), make_font(folder / "second.ttf", "河女")


def test_pictures_are_grey_and_of_one_size(fonts):
    picture = draw_character("河", fonts[:1])
    assert picture.shape == (1, SIDE, SIDE)
    assert picture.dtype == np.uint8
    assert 20 < np.count_nonzero(picture) < SIDE * SIDE
    assert not np.array_equal(picture, draw_character("湖", fonts[:1]))


def test_fonts_without_the_character_leave_their_picture_empty(fonts):
    both, first, second = (draw_character(character, fonts) for character in "河湖女")
    assert both.any(axis=(1, 2)).tolist() == [True, True]
    assert first.any(axis=(1, 2)).tolist() == [True, False]
    assert second.any(axis=(1, 2)).tolist() == [False, True]


@pytest.mark.parametrize("character", ["海", "a", "😀", " ", "\n", "\u200b", "\ufffd"])
def test_characters_that_no_font_has_have_no_picture(fonts, character):
    assert draw_character(character, fonts) is None


def test_a_missing_font_names_the_packages_of_debian(tmp_path):
    for font in ("nowhere.ttf", str(tmp_path), __file__):
        with pytest.raises(BertFamilyError, match="fonts-wqy-zenhei") as error:
            Pictures((font,)).check_fonts()
        assert error.value.code == "B611"
        assert repr(font) in str(error.value)


def test_a_damaged_font_is_an_error(fonts, tmp_path):
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(Path(fonts[0]).read_bytes()[:200])
    with pytest.raises(BertFamilyError, match="cannot be opened") as error:
        draw_character("河", (str(damaged),))
    assert error.value.code == "B611"


def test_without_pillow_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL.ImageFont", None)
    with pytest.raises(BertFamilyError, match=r"spacy-bertfamily\[glyphs\]") as error:
        Pictures(("any.ttf",)).check_fonts()
    assert error.value.code == "B612"


def test_the_missing_of_a_character_is_said_once(fonts):
    pictures = Pictures(fonts)
    with pytest.warns(UserWarning, match=r"W610.*'海'") as caught:
        known = [pictures.has(character) for character in "海树河"]
    assert known == [False, False, True]
    assert len(caught) == 1


@pytest.mark.parametrize("character", [" ", "\n", "\u3000"])
def test_spaces_have_no_picture_and_are_no_reason_for_a_warning(fonts, recwarn, character):
    assert not Pictures(fonts).has(character)
    assert not recwarn.list


def test_pictures_of_the_training_are_stored(fonts):
    pictures = Pictures(fonts)
    expected = pictures.find("河")
    pictures.find("湖")
    pictures.keep(["河"])
    loaded = Pictures(("nowhere.ttf", "nowhere.ttf")).from_bytes(pictures.to_bytes())
    np.testing.assert_array_equal(loaded.find("河"), expected)
    with pytest.warns(UserWarning, match=r"W611.*'湖'"):
        assert loaded.find("湖") is None
    assert loaded.to_bytes() == pictures.to_bytes()


def test_another_number_of_fonts_is_an_error(fonts):
    pictures = Pictures(fonts)
    pictures.keep(["河"] if pictures.has("河") else [])
    with pytest.raises(BertFamilyError, match="in 2 font") as error:
        Pictures(fonts[:1]).from_bytes(pictures.to_bytes())
    assert error.value.code == "B613"


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: b"", lambda data: BOMB])
def test_damaged_pictures_are_an_error(fonts, change):
    pictures = Pictures(fonts)
    pictures.keep(["河"] if pictures.has("河") else [])
    message = srsly.msgpack_loads(pictures.to_bytes())
    message["pictures"] = change(message["pictures"])
    with pytest.raises(BertFamilyError, match="are damaged") as error:
        Pictures(fonts).from_bytes(srsly.msgpack_dumps(message))
    assert error.value.code == "B614"
