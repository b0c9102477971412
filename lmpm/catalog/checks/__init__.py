"""What must hold between the files of the catalog."""
