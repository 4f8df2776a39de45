"""How often drift detectors alarm falsely, and how soon they find a drift: by simulation."""
