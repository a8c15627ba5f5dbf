"""Values that cannot be what their field asks for."""

from __future__ import annotations

import pytest

from operations.form.kinds import OTHER_KIND, misfit


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("afnemer", "t.a.v. crediteuren", OTHER_KIND),
        ("customer", "Attn: Accounts Payable", OTHER_KIND),
        ("Kunde", "z. Hd. Frau Beer", OTHER_KIND),
        ("client", "à l'attention du service comptable", OTHER_KIND),
        ("customer", "Attila Meier", None),
        ("recipient", "Honorarrechnung 4471-06", OTHER_KIND),
        ("buyer_name", "Invoice no. 12", OTHER_KIND),
        ("title", "Honorarrechnung 4471-06", None),
        ("recipient", "Rechnungshof", None),
        ("contact_person", "Attn: Accounts Payable", None),
    ],
)
def test_what_is_no_name_of_a_company(field: str, value: str, reason: str | None) -> None:
    """It stands beneath the name of a company, and is none; nor is the title of the document."""
    assert misfit(value, (field,), {"type": "string"}) == reason
