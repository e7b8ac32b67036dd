import pytest

from prismq_worker_sdk.model.setting import size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (1048576, 1048576),
        ("1048576", 1048576),
        ("512M", 512 * 2**20),
        ("512 MiB", 512 * 2**20),
        ("1.5G", 3 * 2**29),
        ("64kb", 64 * 1024),
        (" 10B ", 10),
    ],
)
def test_sizes_are_read_as_people_write_them(text, number):
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "much", "-1", -1, "1T", "1 2", "nan", None, True, 1.5, "99999999G"])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a size; write for example 512M or 1\.5G"):
        size(text)
