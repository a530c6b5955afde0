"""Folders are written as a whole: what interrupts it leaves the old one or the new one."""

import os

import pytest

from spacy_bertfamily.files import write_folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("old")
    return folder


def write(folder, content):
    with write_folder(folder) as temporary:
        (temporary / "file").write_text(content)


def write_and_interrupt(folder):
    with write_folder(folder) as temporary:
        (temporary / "file").write_text("new")
        raise KeyboardInterrupt


def test_a_folder_is_replaced_and_nothing_is_left_beside_it(folder):
    write(folder, "new")
    assert (folder / "file").read_text() == "new"
    assert os.listdir(folder.parent) == ["folder"]


@pytest.mark.parametrize("number", [1, 2])
def test_an_interruption_of_a_rename_leaves_the_old_folder(folder, monkeypatch, number):
    rename, sources = os.replace, []

    def interrupt(source, target):
        sources.append(source)
        if len(sources) == number:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(folder, "new")
    assert (folder / "file").read_text() == "old"
    assert os.listdir(folder.parent) == ["folder"]


def test_an_interruption_of_writing_leaves_the_old_folder(folder):
    with pytest.raises(KeyboardInterrupt):
        write_and_interrupt(folder)
    assert (folder / "file").read_text() == "old"
    assert os.listdir(folder.parent) == ["folder"]


def test_where_the_folder_is_a_link_its_target_is_replaced(folder):
    link = folder.parent / "link"
    link.symlink_to(folder, target_is_directory=True)
    write(link, "new")
    assert link.is_symlink()
    assert (folder / "file").read_text() == "new"
