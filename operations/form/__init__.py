"""The fields that `extract` reads out of a document: a form that a model fills in for each page.

    schema        the form: what the caller's JSON Schema asks for
    prompt        what the model is sent for a page, and the schema that its answer must satisfy
    convert       the values of an answer as that schema wants them, or what was not understood
    evidence      where a value stands in the text of a page: with `words` (in any script), `amounts`, `dates` (with
                  the `months` of many languages) and `currency`
    places        where on the page that is
    beside        how much what stands beside a value speaks for it: `labels`, whose words are in `label_words`
    rivals        what else on the page may be meant, where no label decides
    kinds         values that can be checked by themselves, such as an IBAN
    merge         one instance of the caller's schema from the answers for all pages
    sums          net and tax make the total
    filler        the calls of the model, page by page: the only module here that makes any

An answer is not trusted: a value that does not stand in the text of its page, or stands there as something else, is
**unverified**. Beside the merged fields stands their **evidence**: for each value, by its JSON Pointer (RFC 6901), the
pages that it comes from.
"""
