"""Ground floor: wire events, subjects, codec, bus, broker, bar sources, clock, errors."""
