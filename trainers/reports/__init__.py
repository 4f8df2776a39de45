"""Reports as pages of their own: pictures and tables in one file that opens offline."""
