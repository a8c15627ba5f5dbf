"""Reads PDFs: PDFium gives characters and lines, and this package makes of them what a person sees on the page.

    text        what a model may be handed: Unicode without holes
    layout      words, lines, rows and rules, in the view's own coordinates
    engine      the only module that touches PDFium
    tables      tables from ruled lines, and from columns that align
    headings    headings from the outline and from the type
    pairs       "Invoice number: 123"
    reader      one document from beginning to end, page after page

All but `engine` and `reader` are functions over plain values. Nothing here knows of runs, events or uploads: what
cannot be read is an `Unreadable`, with a code that the operation hands on.
"""
