"""Demo scenarios: one file each, its name the value of `--scenario`."""
