"""The Pyodide wheels without what the pipeline never uses."""

from pathlib import Path


def slimmed(whole: dict[str, Path]) -> dict[str, Path]:
    return whole
