"""Offline half: feature database, datasets, learners, gate, ONNX export."""
