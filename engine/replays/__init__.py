"""History through the stream: driving it, running it again, and comparing the two."""
