"""What the quality benchmarks share, and where results and corpora lie; the runs themselves are
those of `python -m spacy bertfamily compare`.
"""

from pathlib import Path

from spacy_bertfamily.experiments.fit import configure, evaluate, fit
from spacy_bertfamily.experiments.runs import Experiment, Run, execute, load_results

ROOT = Path(__file__).parent.parent

__all__ = ["ROOT", "Experiment", "Run", "configure", "evaluate", "execute", "fit", "load_results"]
