"""A plugin that tells its secrets in every way that it can; which secret, form and way is said by a number."""

import logging
import os
import random
import sys
import threading
import warnings

from pydantic import SecretStr

from prismq_worker_sdk import Defer, Permanent, PluginSettings, Transient, hookimpl, task_handler
from prismq_worker_sdk.compat import ExceptionGroup
from tests.prove.canaries import FORMS

THIRD = logging.getLogger("third.party")


class Secrets(PluginSettings):
    leak_plain: SecretStr
    leak_odd: SecretStr
    leak_blank: SecretStr
    leak_lines: SecretStr
    leak_json: SecretStr


class Shown:
    """An object of somebody else's that shows what it holds."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return f"<connection {self._text}>"


def logs(ctx, text):
    ctx.log.warning("said %s", text)
    ctx.log.info("fields", header=text, deep={"a": [(text,)]}, connection=Shown(text))
    ctx.log.debug(text)


def logs_its_name(ctx, text):
    ctx.log.error("named", api_key=text, token=text)
    ctx.log.warning("in names", deep={text: 1})


def lets_libraries_log(ctx, text):
    THIRD.warning("used %s in %r", text, {"header": text})
    THIRD.error(Shown(text))
    THIRD.warning("extra", extra={"header": text})
    THIRD.warning("does not fit %d", text)
    logging.getLogger("urllib3.connectionpool").warning("Retrying after %s", text)


def lets_libraries_log_errors(ctx, text):
    try:
        raise ValueError(text)
    except ValueError:
        THIRD.exception("it broke")
        ctx.log.exception("it broke")
    THIRD.warning("stack", stack_info=True)


def warns(ctx, text):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, UserWarning, stacklevel=1)


def tells_its_progress(ctx, text):
    ctx.progress(40, text)
    ctx.sleep(0.15)  # so that /status and the server see it


def raises(ctx, text):
    raise ValueError(text)


def raises_arguments(ctx, text):
    raise OSError(5, text, text)


def raises_a_key_error(ctx, text):
    return {}[text]


def raises_an_object(ctx, text):
    raise RuntimeError(Shown(text))


def raises_from(ctx, text):
    try:
        raise KeyError(text)
    except KeyError as error:
        raise LookupError("not found") from error


def raises_while(ctx, text):
    try:
        raise KeyError(text)
    except KeyError:
        raise LookupError("not found")  # noqa: B904 - that is the case


def raises_a_chain(ctx, text):
    error = ValueError("the outermost")
    last = error
    for number in range(5):
        last.__cause__ = last = RuntimeError(f"{number} {text}")
    raise error


def raises_a_note(ctx, text):
    error = ValueError("noted")
    error.__notes__ = [text, f"sent with {text}"]
    raise error


def raises_a_group(ctx, text):
    inner = ExceptionGroup(text, [ValueError(text), KeyError(text)])
    raise ExceptionGroup("several", [inner, OSError(text)])


def raises_with_a_name(ctx, text):
    raise type("Odd", (Exception,), {"__str__": lambda self: text, "__module__": "odd"})


def raises_deep(ctx, text, left=30):
    if left:
        return raises_deep(ctx, text, left - 1)
    raise ValueError(text)


def is_final(ctx, text):
    raise Permanent(text)


def is_transient(ctx, text):
    raise Transient(text)


def gives_back(ctx, text):
    if ctx.last_checkpoint is None:
        ctx.checkpoint("was here")
        raise Defer(text, retry_in=0.05)


def leaves(ctx, text):
    sys.exit(text)


def breaks_a_thread(ctx, text):
    def broken():
        raise ValueError(text)

    thread = threading.Thread(target=broken, name=f"asks {text}")
    thread.start()
    thread.join()


def breaks_at_the_end(ctx, text):
    class Broken:
        def __del__(self):
            raise ValueError(text)

    Broken()


def gives_what_is_no_result(ctx, text):
    return {"connection": Shown(text)}


def prints(ctx, text):
    print(text)
    print("to stderr", text, file=sys.stderr)
    sys.stdout.flush()


ANYWHERE = (
    logs,
    logs_its_name,
    lets_libraries_log,
    lets_libraries_log_errors,
    warns,
    tells_its_progress,
    raises,
    raises_arguments,
    raises_a_key_error,
    raises_an_object,
    raises_from,
    raises_while,
    raises_a_chain,
    raises_a_note,
    raises_a_group,
    raises_with_a_name,
    raises_deep,
    is_final,
    is_transient,
    gives_back,
    leaves,
    breaks_a_thread,
    breaks_at_the_end,
    gives_what_is_no_result,
)
IN_PROCESSES = (*ANYWHERE, prints)
"""What a process prints goes through the log; what a thread prints is the worker's own stderr."""

NAMES = ("api_key", *Secrets.model_fields)


def chosen(number, ways):
    """The name of a secret, of a form, and a way, by the number of a case."""
    rng = random.Random(number)
    return rng.choice(NAMES), rng.choice(list(FORMS)), rng.choice(ways)


def leak(params, ctx, ways):
    name, form, way = chosen(params["case"], ways)
    secret = os.environ["TASKMANAGER_API_KEY"]
    if name != "api_key":
        secret = getattr(ctx.settings, name).get_secret_value()
    return way(ctx, FORMS[form](secret))


@task_handler("Leak.Thread", isolation="thread", time_limit="1m")
def in_a_thread(params: dict, ctx):
    return leak(params, ctx, ANYWHERE)


@task_handler("Leak.Process", isolation="process", time_limit="1m")
def in_a_process(params: dict, ctx):
    return leak(params, ctx, IN_PROCESSES)


@hookimpl
def prismq_task_handlers():
    return [in_a_thread, in_a_process]


@hookimpl
def prismq_plugin_settings():
    return Secrets
