"""What a role tells whoever watches it: its figures, and whether it lives and is ready."""
