"""What people look up and do at a broker: models, orders, lineage, and the log of it all."""
