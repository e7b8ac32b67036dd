"""The page of settings says what their fields and options say."""

from tests.support.settings_page import PAGE, with_tables


def test_the_tables_of_settings_are_made_from_their_fields_and_options():
    text = PAGE.read_text(encoding="utf-8")

    assert text == with_tables(text), "write it anew: make docs"
