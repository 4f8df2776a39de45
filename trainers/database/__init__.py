"""SQL databases: SQLite files and PostgreSQL servers behind one layer, and what is kept in them."""
