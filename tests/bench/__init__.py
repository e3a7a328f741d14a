"""Times of each stage in CPython and in the browser: `python3 build.py bench [PHOTO...]`."""
