"""Say where the commands are: they are a group of spaCy's own."""

from . import __version__

print(
    f"spacy-bertfamily {__version__}. Its commands are a group of spaCy's: "
    "python -m spacy bertfamily --help"
)
