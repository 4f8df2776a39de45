"""What a frozen model is worth on samples that it never saw, and what that is worth."""
