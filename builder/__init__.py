"""What `build.py` does, one concern a file; standard library only, Python 3.11 or newer."""
