"""Power cuts: the real journal and the real store over a disk that drops and tears all that was not synced."""
