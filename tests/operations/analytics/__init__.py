"""How the files of a run become tables."""
