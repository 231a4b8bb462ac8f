"""Scores of face ageing, by judges that took no part in training."""
