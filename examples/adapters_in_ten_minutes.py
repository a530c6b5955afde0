# %% [markdown]
# # Adapters in ten minutes
#
# A pretrained transformer stays frozen. Small modules in it, the adapters, learn the task, and they
# are all that is stored. Here they learn what customers write about.
#
# Run it from the root of a clone, cell by cell or as a whole.

# %%
import json
import random
import tempfile
from pathlib import Path

import spacy
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch

fix_random_seed(0)


def read_messages(name):
    """Read texts and labels of a file of the bundled messages."""
    lines = Path("assets", name).read_text(encoding="utf8").splitlines()
    return [(row["text"], row["label"]) for row in map(json.loads, lines)]


train, dev = read_messages("messages_train.jsonl"), read_messages("messages_dev.jsonl")
labels = sorted({label for _, label in train})
print(len(train), "messages,", len(labels), "topics, such as", train[0])

# %% [markdown]
# The transformer is an ordinary component, and spaCy's own text classifier listens to it. The block
# `pooling` makes one vector of the pieces of each token.

# %%
nlp = spacy.blank("en")
nlp.add_pipe(
    "adapter_transformer",
    name="transformer",
    config={
        "model": {"adapter": {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64}},
    },
)
listener = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
classifier = {"@architectures": "spacy.TextCatParametricAttention.v1", "tok2vec": listener}
classifier |= {"exclusive_classes": True, "nO": None}
nlp.add_pipe("textcat", config={"model": classifier})


def make_examples(messages):
    """Make spaCy's training examples."""
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": {name: name == label for name in labels}})
        for text, label in messages
    ]


examples, held_out = make_examples(train), make_examples(dev)
optimizer = nlp.initialize(lambda: examples)
optimizer.learn_rate = 0.002
print(nlp.get_pipe("transformer").trainable_summary())

# %% [markdown]
# Four times over the messages. `spacy train` with a config does the same, and more:
# `python -m spacy bertfamily init-config textcat.cfg --task textcat --mode adapter` writes one.

# %%
for epoch in range(4):
    random.shuffle(examples)
    losses = {}
    for batch in minibatch(examples, 16):
        nlp.update(batch, sgd=optimizer, losses=losses, drop=0.1)
    score = nlp.evaluate(held_out)["cats_macro_f"]
    print(f"epoch {epoch + 1}: loss {losses['textcat']:.2f}, macro F {100 * score:.1f}")

# %%
doc = nlp("The parcel was left in the rain and the box is soaked.")
topic = max(doc.cats, key=doc.cats.get)
print(f"{topic}: {100 * doc.cats[topic]:.0f} %")

# %% [markdown]
# Only what was trained is stored: the backbone is named, with its fingerprint, and found again when
# the pipeline is loaded.

# %%
folder = Path(tempfile.mkdtemp())
nlp.to_disk(folder / "messages")
stored = sum(file.stat().st_size for file in (folder / "messages" / "transformer").iterdir())
print(f"the transformer on disk: {stored / 1e6:.1f} MB")

loaded = spacy.load(folder / "messages")
assert loaded("Where is it?").cats == nlp("Where is it?").cats
