"""What `extract` reads of a PDF."""
