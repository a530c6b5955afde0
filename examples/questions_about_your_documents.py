# %% [markdown]
# # Questions about your own documents
#
# The released pipeline `en_minilm_qa` finds the answer to a question in texts, word for word,
# or says that there is none. Put your own files in the place of these three.

# %%
from pathlib import Path

import spacy_bertfamily

documents = {
    "lighthouse": Path("assets/lighthouse.txt").read_text(encoding="utf8"),
    "bridge": "The bridge over the Lune was built in 1931 by Ben Olsen. It replaced a ferry, which "
    "had two rowers and a bell. Lorries above twelve tonnes have to take the road through Halton.",
    "mill": "Grain was ground in the mill until 1958. The wheel, made of oak, turns again since a "
    "group of pupils repaired it in 2009; flour is sold there on the first Saturday of a month.",
}

# %%
nlp = spacy_bertfamily.load("en_minilm_qa")
qa = nlp.get_pipe("span_qa")
for answer in qa.ask(documents["lighthouse"], "How high is the tower?"):
    print(
        f"{answer.text!r}, characters {answer.start_char} to {answer.end_char}, {answer.score:.2f}"
    )

# %% [markdown]
# ## Which document knows?
#
# Several texts are searched like one long one, and each answer says where it comes from.

# %%
names, texts = list(documents), list(documents.values())
questions = [
    "Who built the bridge?",
    "What is the wheel made of?",
    "When did the last keeper leave?",
    "What does a ticket for the opera cost?",
]
for question, answers in zip(questions, qa.ask(texts, questions)):
    found = f"{answers[0].text} ({names[answers[0].context]})" if answers else "no answer"
    print(f"{question:<40} {found}")

# %% [markdown]
# ## Show it
#
# In a notebook this draws the text with the answer marked; here as text for a terminal.

# %%
(answer,) = qa.ask(documents["mill"], "When was the wheel repaired?", top_k=1)
print(
    spacy_bertfamily.render_answers(
        documents["mill"], [answer], question="When was the wheel repaired?", style="terminal"
    )
)

# %% [markdown]
# ## Always answer, or be careful
#
# `null_threshold` decides how sure 'no answer' must be. `None` always answers.

# %%
for threshold in (None, 0.3, 0.9):
    answers = qa.ask(texts, "Who sells flour?", null_threshold=threshold)
    print(threshold, [answer.text for answer in answers])
