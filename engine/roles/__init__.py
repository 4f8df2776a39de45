"""Role shells: the asyncio around each pure core."""
