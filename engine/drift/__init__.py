"""The watch over models: detectors driven on outcomes and inputs, and what is asked for."""
