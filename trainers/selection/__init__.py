"""Selection of features inside a fold: clusters, a representative of each, how stable both are."""
