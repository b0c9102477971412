"""The second generator: tables of things that people keep records of, and questions as people ask them."""
