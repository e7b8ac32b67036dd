"""The table of settings in docs/reference/settings.md, from their fields; as a program it writes it there."""

from prismq_worker_sdk.environment import variable
from prismq_worker_sdk.settings import NOT_ON_THE_COMMAND_LINE, SETTINGS
from tests.support.surroundings import ROOT

PAGE = ROOT / "docs" / "reference" / "settings.md"
HEAD = """\
| Option | Variable | Default | |
|---|---|---|---|
| `--plugin` | `plugin` in the config file | all installed | Entry-point name, module or `.py` file; may be repeated |
| `--live` | | off | On a terminal: show what runs, with progress, below the log |
"""


def table():
    return HEAD + "".join(row(name, setting) for name, setting in SETTINGS.items())


def row(name, setting):
    option = "" if name in NOT_ON_THE_COMMAND_LINE else f"`--{name.replace('_', '-')}`"
    zero = f"; 0 is {setting.unset}" if setting.unset and setting.default == 0 and setting.metavar else ""
    default = setting.default_text if setting.default_text == setting.unset else f"`{setting.default_text}`"
    cells = [option, f"`{variable(name)}`", default, f"{setting.about}{setting.more}{zero}"]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def with_table(text):
    """The page with its table as it should be."""
    start = text.index(HEAD.splitlines()[0])
    return text[:start] + table() + text[text.index("\n\n", start) + 1 :]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
