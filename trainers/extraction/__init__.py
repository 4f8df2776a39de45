"""Training data out of strategies: their trades with the features that were served for them."""
