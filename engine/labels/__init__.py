"""What the labeller is made of: exits, rings of bars, waiting and real trades."""
