"""Reads PDFs: PDFium gives characters and lines; this package finds headings, tables and pairs in them.

    text        clean Unicode
    layout      words, lines, rows and rules, in the coordinates of the upright page
    engine      the only module that touches PDFium
    tables      tables from ruled lines and from aligned columns
    headings    headings from the outline and from type sizes
    pairs       "Invoice number: 123"
    reader      one document, page by page

All but `engine` and `reader` are functions over plain values. Nothing here knows of runs, events or uploads: errors
are `Unreadable`, whose codes the operation passes on.
"""
