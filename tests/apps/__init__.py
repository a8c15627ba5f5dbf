"""Small applications that the live tests serve."""
