"""The page of settings says what their fields say."""

from tests.support.settings_page import PAGE, with_table


def test_the_table_of_settings_is_made_from_their_fields():
    text = PAGE.read_text(encoding="utf-8")

    assert text == with_table(text), "write it anew: make docs"
