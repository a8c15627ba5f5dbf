"""The fields that `extract` reads out of a document: a form that a model fills in for each page.

    schema      the form: what the caller's JSON Schema asks for
    prompt      what the model is sent for a page, and the schema that its answer must satisfy
    evidence    whether a value stands in the text of a page
    merge       one instance of the caller's schema from the answers for all pages
    filler      the calls of the model, page by page: the only module here that makes any

An answer is not trusted: a value that does not stand in the text of its page is **unverified**. Beside the merged
fields stands their **evidence**: for each value, by its JSON Pointer (RFC 6901), the pages that it comes from.
"""
