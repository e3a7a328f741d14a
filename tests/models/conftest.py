"""The training scripts are run from their own folder and import one another by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "tiefenrausch"))
