"""Reads PDFs: PDFium gives characters and lines; this package finds headings, tables and pairs in them.

    text        clean Unicode
    layout      words, lines, rows and rules, in the coordinates of the upright page
    envelope    the file around a PDF, before PDFium sees it
    engine      opens a document and reads a page with PDFium, which only these touch:
    characters  ... words and lines of its characters
    codes       ... what the characters are
    raw         ... the objects of one page, as the file has them
    objects     ... rules and pictures of what it draws
    forms       ... what is filled in
    visibility  ... which of its text nobody sees
    geometry    ... where all this stands
    tables      tables from ruled lines and from aligned columns
    headings    headings from the outline and from type sizes
    pairs       "Invoice number: 123"
    pictures    pages that are pictures
    placing     puts what is filled in beside its labels
    word_boxes  where each word of a page stands, packed
    titles      titles that are none
    hyphens     which hyphens at the end of a line belong to the word
    glyphs      what the names of glyphs mean
    survey      what the bytes of a file say of the whole document
    warnings    what people should know of a document
    reader      one document, page by page
    content     the types of what is read
    ocr         the process that recognises text in pictures, and `recogniser`, which starts it and talks to it
    images      a document of pictures instead of a PDF
    child       the process in which all of this happens
    process     starts it, and talks to it: the only module here that operations use

All but the last five are functions over plain values. Nothing but `process` knows of runs, events or uploads: errors
are `Unreadable`, whose codes the operation passes on.
"""
