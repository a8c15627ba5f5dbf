"""The operations that the service offers, one module each.

They import the library's public names and nothing else of it, so that each one can be copied into another
application as it stands.
"""
