"""Strategies over all of history at once: kernels and columns, without a stream."""
