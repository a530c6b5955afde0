"""Score a released pipeline with fewer and fewer pieces in its vocabulary.

    python benchmarks/quality/pruned_vocabulary.py --data DATA [--coverage 1 0.99 0.95 0.9]
        [--write docs/compress.md]

DATA holds `wikitext2/wiki.train.raw.gz`, whose texts say which pieces are kept, and
`ud_english_ewt/en_ewt-ud-test.conllu.gz` and `wnut17/test.jsonl.gz`, which are scored: parts of
speech of the one, entities of the other. Equal ones are those of words that get what they get
without pruning, right or wrong. Megabytes are those of the backbone's weights in float32.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from benchmarks import options
from benchmarks.corpora import read_bio_entities, read_ud_tags, read_wikitext
from benchmarks.report import processor_name, publish
from spacy_bertfamily.compress.prune import prune_vocabulary
from spacy_bertfamily.scale.pipelines import load_pipeline

PIPELINE, TRANSFORMER = "en_minilm_pos_ner", "token_transformer"
HEAD = ("coverage", "pieces", "MB", "parts of speech", "equal", "entities, F", "equal")


def predict(nlp: Language, gold: list[Doc]) -> list[Example]:
    """RETURNS (list[Example]): What the pipeline predicts of the same words, beside the gold."""
    words = [([t.text for t in doc], [bool(t.whitespace_) for t in doc]) for doc in gold]
    docs = [Doc(nlp.vocab, words=texts, spaces=spaces) for texts, spaces in words]
    return [Example(found, doc) for found, doc in zip(nlp.pipe(docs), gold)]


def part_of_speech_accuracy(examples: list[Example]) -> float:
    """RETURNS (float): The share of right parts of speech; the gold ones stand in `token.tag_`."""
    pairs = [pair for e in examples for pair in zip(e.predicted, e.reference)]
    return sum(found.pos_ == gold.tag_ for found, gold in pairs) / len(pairs)


def share_of_equal(examples: list[Example], others: list[Example], name: str) -> float:
    """RETURNS (float): The share of words with the same value of an attribute."""
    pairs = [
        (getattr(a, name), getattr(b, name))
        for example, other in zip(examples, others)
        for a, b in zip(example.predicted, other.predicted)
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--coverage", nargs="+", type=float, default=[1.0, 0.99, 0.95, 0.9])
    options.add_write_option(parser)
    args: argparse.Namespace = parser.parse_args()
    texts = read_wikitext(args.data, "train")
    vocab = spacy.blank("en").vocab
    tagged = list(read_ud_tags(args.data / "ud_english_ewt" / "en_ewt-ud-test.conllu.gz", vocab))
    named = list(read_bio_entities(args.data / "wnut17" / "test.jsonl.gz", vocab))
    rows = [HEAD, tuple("---" for _ in HEAD)]
    whole: tuple[list[Example], list[Example]] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for coverage in (None, *args.coverage):
            nlp = load_pipeline(PIPELINE)
            if coverage is not None:
                target = Path(folder) / str(coverage)
                prune_vocabulary(PIPELINE, target, texts, coverage=coverage)
                nlp = spacy.load(target)
            shared = nlp.get_pipe(TRANSFORMER).shim.encoder.shared
            numbers = sum(tensor.numel() for tensor in shared.model.state_dict().values())
            words, entities = predict(nlp, tagged), predict(nlp, named)
            whole = whole or (words, entities)
            row = (
                "all pieces" if coverage is None else f"{coverage:.0%}",
                f"{len(shared.tokenizer):,}",
                f"{numbers * 4 / 1e6:.1f}",
                f"{part_of_speech_accuracy(words):.2%}",
                f"{share_of_equal(words, whole[0], 'pos_'):.2%}",
                f"{Scorer.score_spans(entities, 'ents')['ents_f']:.2%}",
                f"{share_of_equal(entities, whole[1], 'ent_type_'):.2%}",
            )
            print(" | ".join(row), flush=True)
            rows.append(row)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    publish("pruned-vocabulary", f"{table}\n\nMeasured on: {processor_name()}.", args.write)


if __name__ == "__main__":
    main()
