"""The page that the documents render to."""

from tests.prove.documents import FOLDER, written
from tests.prove.proof import PROOFS, load

PAGE = FOLDER.parent / "reliability.md"

HEAD = """\
<!-- Written by `make prove-report` from the files in proofs/; a test holds it to them. -->
# Reliability: what is promised, and what was measured

Three promises, whatever is killed, cut or lost on the way:

- **No task is lost.** Each one ends as completed, or as failed for a reason that the server shows.
- **No outcome counts twice.** The server accepts one verdict for each claim, and one result for each task.
- **A worker ends in time and says what it left**: exit code 0 means nothing, 75 means "start me again".

A handler may run again: a task whose worker died before it could store the result is given to another worker.
That is "at least once" for handlers and "exactly once" for outcomes; `ctx.idempotency_key` helps a handler that
must not act twice. Below stands how often that happened, and why.

The proofs run real processes and count from outside: runs in a file that handlers append to, outcomes in the tables
of the server. What did not hold is named in its section. To repeat them (hours; they stop and go on where they were):

```sh
make prove                # all of them, then this page
make prove-kill MINUTES=10
make prove-report         # this page, from what is there
```
"""


def render(documents, proofs):
    """The whole page.

    Args:
        documents: Proof name → document; a proof without one is shown as not run.
    """
    return "\n".join([HEAD, *(_section(proof, documents.get(proof.name)) for proof in proofs)])


def write_page():
    PAGE.write_text(rendered(), "utf-8")
    return PAGE


def rendered():
    """The page as the documents in the folder have it."""
    return render(written(), [load(name) for name in PROOFS])


def _section(proof, found):
    lines = [f"## {proof.title}", "", proof.about.strip(), ""]
    if found is None:
        return "\n".join([*lines, f"**Not run yet**: `make prove-{proof.name}`.", ""])
    lines += [_verdict(found), ""]
    lines += [f"- {failure}" for failure in (*found["failures"], *_broken(found))]
    if found["failures"] or found["broken"]:
        lines.append("")
    return "\n".join([*lines, proof.table(found["figures"]).strip(), "", _origin(found), ""])


def _verdict(found):
    done, planned = found["parts"]["done"], found["parts"]["planned"]
    parts = "its one part" if planned == 1 else f"all {planned} parts"
    extent = parts if done == planned else f"{done} of {planned} parts"
    wrong = len(found["failures"]) + len(found["broken"])
    if done == 0:
        return f"**Nothing proved**: {extent} gave figures."
    return f"**Held** in {extent}." if not wrong else f"**Did not hold**, in {extent}:"


def _broken(found):
    return [f"part `{key}` broke off: {error.splitlines()[0]}" for key, error in found["broken"].items()]


def _origin(found):
    machine = found["machine"]
    place = f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    software = f"Python {machine['python']}, SQLite {machine['sqlite']}"
    when = f"{found['date']}, {found['minutes']} minutes"
    return f"<sub>Commit {found['commit'][:12]}, {when} on {place}, {software}.</sub>"


def grid(head, rows):
    """A Markdown table; numbers stand right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    right = [all(not isinstance(row[n], str) for row in rows) for n in range(len(head))]
    rule = ["---:" if number else "---" for number in right]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(head), rule, *cells])


def _text(cell):
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
