import os
import sys

# Spark's workers are started by Java, which would take the first python3 of the system.
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
