"""Feature families: one file each, discovered and composed into one compiled update."""
