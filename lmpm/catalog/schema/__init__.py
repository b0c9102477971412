"""The records of the catalog, as its files hold them."""
