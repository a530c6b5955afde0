"""What comes trained with the package, on a text of yours: an answer, the sentences most like the
question, whether the text says what you claim, and its names.
"""

import re
from pathlib import Path

import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from spacy_bertfamily import load


def main(context: Path, question: str, claim: str, gpu_id: int = -1) -> None:
    """Ask QUESTION about the file CONTEXT, and check CLAIM."""
    setup_gpu(gpu_id, silent=True)
    text = context.read_text(encoding="utf8")
    sentences = [part.replace("\n", " ") for part in re.split(r"(?<=[.!?])\s+", text.strip())]
    nlp = load("en_minilm_all")
    msg.good(f"Loaded {', '.join(nlp.pipe_names)}")
    msg.divider(question)
    answers = nlp.get_pipe("span_qa").ask(text, question)
    print(
        "\n".join(f"{answer.score:6.1%}  {answer.text}" for answer in answers)
        or "The text does not say."
    )
    msg.divider(f"Most like: {claim}")
    ranked = nlp.get_pipe("similarity").rank(claim, sentences, top_k=3)
    for index, score in ranked:
        print(f"{score:4.1f} of 5  {sentences[index]}")
    msg.divider("Does the first of them say so?")
    (cats,) = nlp.get_pipe("nli").predict_pairs([(sentences[ranked[0][0]], claim)])
    print(
        "  ".join(
            f"{label} {score:.1%}"
            for label, score in sorted(cats.items(), key=lambda item: -item[1])
        )
    )
    msg.divider("Words and names")
    with nlp.select_pipes(enable=["token_transformer", "tagger", "morphologizer", "ner"]):
        docs = list(nlp.pipe(sentences))
    print("  ".join(f"{token.text}/{token.pos_}" for token in docs[0]))
    names = {f"{ent.text} ({ent.label_})" for doc in docs for ent in doc.ents}
    print(", ".join(sorted(names)) or "No names")


if __name__ == "__main__":
    typer.run(main)
