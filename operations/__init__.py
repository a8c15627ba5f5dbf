"""The operations that the service offers, one module each, and the packages that they use.

They import only the library's public names, so another application can use them too.
"""
