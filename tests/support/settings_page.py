"""The tables in docs/reference/settings.md, from settings and options; as a program it writes them there."""

from prismq_worker_sdk.cli.taskmanager import taskmanager
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
SERVER_HEAD = """\
| Option of the server | Variable | Default | |
|---|---|---|---|
"""


def server_table():
    return SERVER_HEAD + "".join(server_row(option) for option in taskmanager.params)


def server_row(option):
    variable_of_it = f"`{option.envvar}`" if option.envvar else ""
    cells = [f"`{option.opts[0]}`", variable_of_it, server_default(option), option.help]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def server_default(option):
    if option.is_flag:
        return "off"
    if isinstance(option.show_default, str):
        return " or ".join(f"`{one}`" for one in option.show_default.split(" or "))
    default = option.default
    return f"`{default}`" if isinstance(default, str | int | float) else "none"


def table():
    return HEAD + "".join(row(name, setting) for name, setting in SETTINGS.items())


def row(name, setting):
    option = "" if name in NOT_ON_THE_COMMAND_LINE else f"`--{name.replace('_', '-')}`"
    zero = f"; 0 is {setting.unset}" if setting.unset and setting.default == 0 and setting.metavar else ""
    default = setting.default_text if setting.default_text == setting.unset else f"`{setting.default_text}`"
    cells = [option, f"`{variable(name)}`", default, f"{setting.about}{setting.more}{zero}"]
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def with_tables(text):
    """The page with its tables as they should be."""
    for made in (table(), server_table()):
        start = text.index(made.splitlines()[0])
        text = text[:start] + made + text[text.index("\n\n", start) + 1 :]
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
