"""What people look at: previews of map files, the static files of a page, and the report of a run as a folder."""
