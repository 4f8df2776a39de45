"""Bar sources: one file each, discovered by name; each stamps bars with their close."""
