"""The training pipeline: from samples to a signed model and an account of what it is worth."""
