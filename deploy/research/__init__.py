"""The offline half behind its commands: what they read, plan, run, and show of it."""
