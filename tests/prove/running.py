"""Runs the parts of a proof that are missing, until they are done or the time is over."""

import importlib
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context


def run_missing(proof, store, *, jobs, minutes=None, say=print):
    """Keeps what each part gave as soon as it is done; whether none broke.

    Args:
        minutes: No part is begun later than this; one that runs is let end.
    """
    done = store.results(proof.name)
    planned = proof.parts()
    missing = [part.key for part in planned if part.key not in done]
    until = None if minutes is None else time.monotonic() + minutes * 60
    say(f"{proof.name}: {len(planned) - len(missing)} of {len(planned)} parts are done")
    whole = True
    running = {}
    while missing or running:
        while missing and len(running) < jobs and (until is None or time.monotonic() < until):
            key = missing.pop(0)
            running[_begun(proof.parts.__module__, key)] = key
        if not running:
            say(f"{proof.name}: the time is over, {len(missing)} parts are left; run it again to go on")
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            key = running.pop(future)
            whole = _kept(proof, store, key, future, say) and whole
    return whole


def _begun(module, key):
    """A part in a process of its own: none inherits threads or sockets of another."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        return pool.submit(run_part, module, key)
    finally:
        pool.shutdown(wait=False)


def run_part(module, key):
    """What one part gave, and how long it took; runs in a process of its own."""
    (part,) = [part for part in importlib.import_module(module).PROOF.parts() if part.key == key]
    begun = time.monotonic()
    result = part.run()
    return {"key": key, "seconds": round(time.monotonic() - begun, 1), "result": result}


def _kept(proof, store, key, future, say):
    error = future.exception()
    if error is None:
        document = future.result()
        store.keep(proof.name, key, document)
        say(f"{proof.name} {key}: done in {document['seconds']:.0f} s")
        return True
    if isinstance(error, KeyboardInterrupt):
        raise error
    trace = "".join(traceback.format_exception(error))
    store.keep_broken(proof.name, key, f"{type(error).__name__}: {error}")
    say(f"{proof.name} {key} broke:\n{trace}")
    return False
