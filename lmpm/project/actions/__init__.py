"""What is done with a project, as functions of the package."""
