"""The shells around the cores: reading, publishing, snapshots, leases and standbys."""
