"""The benchmark of Chinese characters reads its corpora right, and pools its figures right."""

import gzip
import json

import spacy
from spacy.tokens import Doc

from benchmarks.quality.chinese_characters import Text, count_right, read, table


def write_compressed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf8") as file:
        file.write(text)


def test_labels_become_bio_and_positions_are_left_out(tmp_path):
    resume = {
        "tokens": list("高勇在中国。"),
        "tags": ["B-NAME", "E-NAME", "O", "B-LOC", "M-LOC", "S-ORG"],
    }
    weibo = {"tokens": ["科0", "技1", "30"], "tags": ["I-ORG.NAM", "I-ORG.NAM", "I-PER.NOM"]}
    write_compressed(tmp_path / "resume_ner/test.jsonl.gz", json.dumps(resume) + "\n")
    write_compressed(tmp_path / "weibo_ner/test.jsonl.gz", json.dumps(weibo) + "\n")
    expected = ["B-NAME", "I-NAME", "O", "B-LOC", "I-LOC", "B-ORG"]
    assert read(tmp_path, "resume", "test") == [Text(list("高勇在中国。"), expected)]
    expected = ["B-ORG.NAM", "I-ORG.NAM", "B-PER.NOM"]
    assert read(tmp_path, "weibo", "test") == [Text(["科", "技", "3"], expected)]


def test_characters_have_the_tags_of_their_words(tmp_path):
    text = "# a comment\n1\t中国\t_\tPROPN\n2\t大\t_\tADJ\n\n1-2\t他们\t_\t_\n1\t他\t_\tPRON\n\n"
    write_compressed(tmp_path / "ud_chinese_gsd/ud1.3/zh-ud-dev.conllu.gz", text)
    assert read(tmp_path, "ud", "dev") == [
        Text(list("中国大"), ["B-PROPN", "I-PROPN", "B-ADJ"]),
        Text(["他"], ["B-PRON"]),
    ]


def test_only_wanted_chinese_characters_are_counted():
    nlp = spacy.blank("zh")
    ents = ["B-LOC", "I-LOC", "O", "O", "B-LOC"]
    doc = Doc(nlp.vocab, words=list("北京a在海"), ents=ents)
    text = Text(list("北京a在海"), ["B-LOC", "O", "O", "O", "B-PER"])
    assert count_right([doc], [text], lambda c: True) == [2, 4]
    assert count_right([doc], [text], lambda c: c == "京") == [0, 1]
    tagged = Doc(nlp.vocab, words=["北", "京"], tags=["B-N", "I-N"])
    assert count_right([tagged], [Text(["北", "京"], ["B-N", "B-N"])], lambda c: True) == [1, 2]


def test_tokens_of_all_corpora_are_pooled_for_each_seed():
    lines = [
        make_line("weibo, parts, 0", 0.5, [1, 10], [0, 2], 100),
        make_line("weibo, parts, 1", 0.7, [2, 10], [1, 2], 300),
        make_line("ud, parts, 0", 0.9, [80, 90], [6, 8], 200),
        make_line("ud, parts, 1", 0.9, [88, 90], [7, 8], 400),
    ]
    rows = table(lines).splitlines()
    assert rows[0].startswith("| | Weibo, F1 | UD GSD, accuracy | seen < 5 times |")
    # 81 and 90 of 100; 6 and 8 of 10
    assert rows[2] == "| parts | 60.0 ± 14.1 | 90.0 ± 0.0 | 85.5 ± 6.4 | 70.0 ± 14.1 | 250 |"
    assert "2 seed(s), 10 epochs" in rows[-1]


def make_line(run, score, rare, unseen, speed):
    counts = {"rare": rare, "unseen": unseen, "speed": speed}
    return {"run": run, "epochs": 10, "score": score, **counts, "processor": "any"}
