"""The name that keeps spacy-transformers from importing beside transformers 5.

- Changes: `transformers.tokenization_utils`, which gets `BatchEncoding` from where it is defined,
  `transformers.tokenization_utils_base`. Nothing if the name is there, as in transformers 4.
- Why: spacy-transformers 1.4.0 imports the name from there. spaCy imports spacy-transformers in
  each `spacy.blank()`, in no fixed order with this package: the name must be there before.
- When: `install` adds a finder to `sys.meta_path`, which acts as soon as a module of
  spacy-transformers is looked for. This package calls it when it is imported, and so does torch,
  which spaCy imports: an entry point in the group `torch.backends` is the only code of an installed
  package that runs before spaCy loads the factories of all packages.
- Tried with: spacy-transformers 1.3.8 and 1.4.0; transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: the finder, once it has acted. The name stays.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType

NAME = "BatchEncoding"
NEEDED_IN = "transformers.tokenization_utils"
DEFINED_IN = "transformers.tokenization_utils_base"
NEEDED_BY = "spacy_transformers"
# its first module that imports the name; the modules before it import spaCy, and so torch
FIRST_USE = "spacy_transformers.data_classes"


class _BeforeImport(MetaPathFinder):
    """Provides the name when spacy-transformers is looked for, and finds no module itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Provide the name if a module of spacy-transformers is about to be imported.

        fullname (str): The module that is looked for.
        path, target: As in `MetaPathFinder`; not used.
        """
        if fullname.partition(".")[0] == NEEDED_BY:
            provide()
            sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]


def install() -> None:
    """Provide the name before spacy-transformers is imported. Imports nothing by itself."""
    is_installed = any(isinstance(finder, _BeforeImport) for finder in sys.meta_path)
    if FIRST_USE not in sys.modules and not is_installed:
        sys.meta_path.insert(0, _BeforeImport())


def provide() -> None:
    """Put the name where spacy-transformers looks for it, if it is missing there."""
    try:
        module = import_module(NEEDED_IN)
        if not hasattr(module, NAME):
            setattr(module, NAME, getattr(import_module(DEFINED_IN), NAME))
    except (ImportError, AttributeError):
        # without transformers, or with one that has neither module: the import of
        # spacy-transformers says so
        return
