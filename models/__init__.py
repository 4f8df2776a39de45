"""The contract between the halves: feature kernels, model card, ONNX session, registry."""
