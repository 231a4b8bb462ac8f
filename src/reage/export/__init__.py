"""From a training run to the files that inference reads."""
