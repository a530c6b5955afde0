# %% [markdown]
# # One backbone, five tasks
#
# Questions, inference, similarity, tags and entities: four released pipelines, each with adapters
# of its own, put together to one. The backbone, by far the largest part, is in memory once.

# %%
import spacy_bertfamily
from spacy_bertfamily import join_segments

nlp = spacy_bertfamily.combine(
    {
        "tags": spacy_bertfamily.load("en_minilm_pos_ner"),
        "qa": spacy_bertfamily.load("en_minilm_qa"),
        "nli": spacy_bertfamily.load("en_minilm_nli"),
        "similarity": spacy_bertfamily.load("en_minilm_similarity"),
    }
)
print(nlp.pipe_names)

# %%
transformers = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "trainable_summary")]
backbones = {id(pipe.shim.encoder.shared) for pipe in transformers}
print(len(transformers), "transformers,", len(backbones), "backbone")
assert len(backbones) == 1

# %% [markdown]
# ## Tags and entities

# %%
tags = ["tags_token_transformer", "tagger", "morphologizer", "ner"]
with nlp.select_pipes(enable=tags):  # the others read two texts
    doc = nlp("Ann Fisher moved from Oslo to a small farm.")
print([(token.text, token.pos_) for token in doc])
print([(ent.text, ent.label_) for ent in doc.ents])

# %% [markdown]
# ## A question, and what a claim has to do with a text

# %%
text = "The tower was built by Gustave Eiffel in Paris. Nobody may climb it at night."
print([answer.text for answer in nlp.get_pipe("span_qa").ask(text, "Who built the tower?")])

pair = nlp.make_doc("Nobody may climb the tower at night. [SEP] People climb the tower at night.")
with nlp.select_pipes(enable=["nli_transformer", "nli"]):
    doc = nlp(pair)
print({label: round(score, 2) for label, score in doc.cats.items()})

# %% [markdown]
# ## What is most similar?

# %%
answers = ["The kettle is blue.", "My delivery is late.", "The parcel has not arrived."]
for index, score in nlp.get_pipe("similarity").rank("Where is my order?", answers):
    print(f"{score:.2f} {answers[index]}")

# %% [markdown]
# Pairs of your own can be joined in code, so that a separator in a text stays text.

# %%
with nlp.select_pipes(enable=["similarity_transformer", "similarity"]):
    doc = nlp(join_segments(nlp.make_doc("A cat sleeps."), nlp.make_doc("A cat is sleeping.")))
print(doc.cats)

# %% [markdown]
# ## Vectors of texts, from the bare backbone

# %%
vectors = spacy_bertfamily.encode(answers, normalize=True)
print((vectors @ vectors.T).round(2))
