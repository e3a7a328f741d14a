"""Tiefblick: one photo in, one 3D photo out. Each stage is one file of this package; `pipeline` runs them in order."""
