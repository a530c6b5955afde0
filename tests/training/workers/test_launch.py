"""What ends workers: other data, other settings, and the end of one of them."""

import os
import time
import warnings

import pytest
import spacy
import torch
from spacy.tokens import DocBin

from spacy_bertfamily.training.checkpoint import FILE
from spacy_bertfamily.training.loop import CHECKPOINT
from spacy_bertfamily.training.workers.launch import launch

from ...util.workers import STEPS, make_short_training, work, write_corpus


def work_on_other_data(group, text, folder, corpus):
    """Remove an example from the corpus of worker 1."""
    if group.rank == 1:
        docs = list(DocBin().from_disk(corpus).get_docs(spacy.blank("en").vocab))
        other = os.path.join(folder, "other.spacy")
        DocBin(docs=docs[:-1], store_user_data=True).to_disk(other)
        text = text.replace(corpus, other)
    return work(group, text, folder, False)


def work_with_other_settings(group, text, folder, old, new):
    return work(group, text.replace(old, new) if group.rank == 1 else text, folder, False)


def test_workers_with_different_data_do_not_begin(tiny, corpus, tmp_path):
    config = make_short_training("tagger", tiny, corpus)
    arguments = (config.to_str(), str(tmp_path), str(corpus))
    with pytest.raises(ValueError, match="B523.*train_corpus.* worker.* 1 "):
        launch(work_on_other_data, arguments, 2, start_method="fork")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("dropout = 0.0", "dropout = 0.5", "training"),
        (f"max_steps = {STEPS - 1}", "max_steps = 5", "training"),
    ],
)
def test_workers_with_different_configs_do_not_begin(tiny, corpus, tmp_path, old, new, name):
    text = make_short_training("tagger", tiny, corpus).to_str()
    assert old in text
    arguments = (text, str(tmp_path), old, new)
    with pytest.raises(ValueError, match=rf"B523.*\[{name}\]"):
        launch(work_with_other_settings, arguments, 2, start_method="fork")


def die_at_a_step(group, text, folder, how):
    """Train, but end worker 1 at its fourth update."""
    update, updates = spacy.language.Language.update, []

    def counted(self, *args, **kwargs):
        updates.append(None)
        if group.rank == 1 and len(updates) == 4:
            if how == "error":
                raise ValueError("this example cannot be learned from")
            os.kill(os.getpid(), 9)
        return update(self, *args, **kwargs)

    spacy.language.Language.update = counted
    return work(group, text, folder, False)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("error", "this example cannot be learned from"),
        ("kill", "SIGKILL"),
    ],
)
def test_a_worker_that_dies_ends_all(tiny, corpus, tmp_path, how, said):
    text = make_short_training("tagger", tiny, corpus).to_str()
    started = time.monotonic()
    with pytest.raises(ValueError, match=f"(?s)B528.*Worker 1 of 2.*{said}"):
        launch(die_at_a_step, (text, str(tmp_path), how), 2, start_method="fork")
    assert time.monotonic() - started < 30
    # the evaluation at the first step is kept
    assert (tmp_path / CHECKPOINT / FILE).is_file()


def test_more_workers_than_examples_is_a_warning(tiny, corpus, tmp_path):
    write_corpus(corpus, docs=2)
    config = make_short_training("tagger", tiny, corpus, steps=3)
    arguments = (config.to_str(), str(tmp_path))
    caught = launch(record_warnings, arguments, 3, start_method="fork")
    assert any("W520" in text for text in caught)


def record_warnings(group, text, folder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work(group, text, folder, False)
    return [str(warning.message) for warning in caught]


def multiply(group):
    """Compute what torch shares among its threads, and add it up."""
    product = torch.ones(1000, 1000) @ torch.ones(1000, 1000)
    group.add(product)
    return float(product[0, 0])


@pytest.mark.usefixtures("threads_in_use")
def test_forked_workers_do_not_wait_for_threads_of_the_first_process():
    assert launch(multiply, (), 2, start_method="fork") == 2000
