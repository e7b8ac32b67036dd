"""Rules taken out, each by one small change of the source; the simulator must find every one."""

from dataclasses import dataclass

__all__ = ["ALL_MUTANTS", "MUTANTS", "PRISMQ_CLIENT_MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        rule: Of docs/rules.md.
        what: What is no longer done.
        module: Below prismq_worker_sdk, or one of tests.simulator.
        old: Text that stands in the module just once.
        new: What stands there instead.
        dialect: Of the plans that find it, "" for those of every number.
    """

    rule: str
    what: str
    module: str
    old: str
    new: str
    dialect: str = ""

    @property
    def name(self):
        """The module's whole name."""
        return self.module if self.module.startswith("tests.") else f"prismq_worker_sdk.{self.module}"


MUTANTS = (
    Mutant(
        "R1",
        "a report carries the id its task was claimed under",
        "worker.admission",
        "        worker_id=runtime.worker_id,\n",
        '        worker_id="another",\n',
    ),
    Mutant(
        "R2",
        "every claim has a token of its own",
        "tests.simulator.model_server",
        '            claim.token = f"token-{len(self.claims)}"',
        '            claim.token = f"token-{task.id}"',
    ),
    Mutant(
        "R3",
        "a task that cannot be read is failed for good",
        "worker.admission",
        "    if grant.task_id is None:\n        _end(",
        "    if grant:\n        _end(",
    ),
    Mutant(
        "R4",
        "no more is claimed than there are free slots",
        "decide.claims",
        "    most = min(room, max_tasks)",
        "    most = min(room + 1, max_tasks)",
    ),
    Mutant(
        "R4",
        "a loop whose claim was in vain wakes the one that asks on",
        "worker.claiming",
        "                runtime.wakes.claim()  # the slot that was kept",
        "                # the slot that was kept",
        "base",
    ),
    Mutant(
        "R5",
        "a lease counts from the first sending of its request",
        "worker.claimer",
        "            admission = _start(runtime, grant, asked.sent_at, held)",
        "            admission = _start(runtime, grant, runtime.clock.monotonic(), held)",
    ),
    Mutant(
        "R5",
        "a claim that has run out here is not begun",
        "worker.admission",
        "    if runtime.clock.monotonic() >= claim.expires_at:",
        "    if claim is None:",
    ),
    Mutant(
        "R5",
        "a pause lasts no longer than it was to, whatever the clock says",
        "outbox.store",
        "min(until - ?, seconds)",
        "until - ?",
    ),
    Mutant(
        "R6",
        "a claim without an answer is sent again under its request id",
        "worker.claimer",
        "            if sent and not final and asked.request_id and runtime.life.running:",
        "            if False:",
    ),
    Mutant(
        "R6",
        "the server answers a repeat with what the first sending was given",
        "tests.simulator.model_server",
        "        if current:",
        "        if False:",
    ),
    Mutant(
        "R6",
        "a stop ends the wait on the server",
        "worker.delivering",
        "        if (waiting := runtime.waiting) is not None and self._outlived(waiting):",
        "        if (waiting := runtime.waiting) is not None and False:",
    ),
    Mutant(
        "R6",
        "tasks that come with the end of a wait are started",
        "worker.delivering",
        "            self._claimer.answered_again(waiting, reply.tasks)",
        "            pass",
    ),
    Mutant(
        "R6",
        "tasks that come with the end of a wait that was over are started",
        "worker.claimer",
        "                self._take_on_anew(new, asked.sent_at)",
        "                pass",
    ),
    Mutant(
        "R7",
        "unconfirmed claims that run out do not count as attempts",
        "tests.simulator.model_server",
        "            if task.unconfirmed < UNCONFIRMED_FREE:",
        "            if False:",
    ),
    Mutant(
        "R8",
        "a server that starts again takes no claim away for one lease",
        "tests.simulator.model_server",
        "                task.expires_at = max(task.expires_at, now + self.lease_seconds)",
        "                task.expires_at = max(task.expires_at, now)",
    ),
    Mutant(
        "R8",
        "an expired token stays valid until the task is claimed again",
        "tests.simulator.model_server",
        "        if not task.held_by(claim):\n            return {**said",
        "        if not task.held_by(claim) or now > task.expires_at:\n            return {**said",
    ),
    Mutant(
        "R9",
        "a task that runs here is not begun a second time here",
        "worker.admission",
        "    if live is not None and early is None:",
        "    if live is not None and early is None and False:",
    ),
    Mutant(
        "R9",
        "a task that both answers to a claim have is taken on once",
        "worker.asked",
        "        return grant.token is None or grant.token not in self._tokens",
        "        return True",
    ),
    Mutant(
        "R10",
        "the first end of a claim wins",
        "outbox.store",
        '    """The commit point: the hold goes and the outcome comes; False when an earlier end was first (R10)."""\n'
        "    if not drop_hold(db, identity):",
        '    """The commit point: the hold goes and the outcome comes; False when an earlier end was first (R10)."""\n'
        "    if not drop_hold(db, identity) and False:",
    ),
    Mutant(
        "R12",
        "a commit that the disk refuses is repeated",
        "worker.ending",
        "        if attempt.settled is None or runtime.life.running:",
        "        if False:",
    ),
    Mutant(
        "R15",
        "a handler that is told to end because the worker stops gives its task back",
        "decide.ends",
        '            return Released(detail or "the worker stops")',
        '            return Failed(detail or "the worker stops")',
    ),
    Mutant(
        "R16",
        "a handler that does not end is given up",
        "decide.leases",
        "        return Abandon() if now >= abandon_at else Look(abandon_at)",
        "        return Look(now + 3600.0)",
    ),
    Mutant(
        "R17",
        "an unexpected error leaves the retry to the server",
        "decide.ends",
        "            return Failed(text, type(error).__name__)",
        "            return Failed(text, type(error).__name__, retryable=False)",
    ),
    Mutant(
        "R18",
        "Defer gives the task back",
        "decide.ends",
        "            return Released(text, _delay(error, now))",
        '            return Failed(text, "Defer")',
    ),
    Mutant(
        "R18",
        "Unavailable pauses its type",
        "worker.ending",
        "    runtime.gate.pause(task_type, seconds, reason, now=runtime.clock.monotonic(), trace=trace)\n",
        "",
    ),
    Mutant(
        "R18",
        "a type whose handler is not ready is not claimed",
        "worker.gate",
        "        return state.unready is None and now",
        "        return now",
    ),
    Mutant(
        "R19",
        "a type whose handler fails one task after the other is paused",
        "decide.streaks",
        "    return Streak(tasks, streak.pauses + 1), True",
        "    return Streak(tasks, streak.pauses + 1), False",
    ),
    Mutant(
        "R21",
        "claims of waiting reports are renewed",
        "worker.renewing",
        "        for identity in self._waiting(now):",
        "        for identity in ():",
    ),
    Mutant(
        "R21",
        "running claims are renewed in time",
        "decide.renewals",
        "    return sent_at + lease_seconds * SHARE",
        "    return sent_at + lease_seconds * 3",
    ),
    Mutant(
        "R22",
        "children are committed with their result",
        "outbox.store",
        "    number = insert_outcome(db, identity, outcome, children_text(tuple(children)), attempt, now)",
        '    number = insert_outcome(db, identity, outcome, "[]", attempt, now)',
    ),
    Mutant(
        "R23",
        "a line that rests goes on as soon as the server answers",
        "worker.delivering",
        "            if runtime.contact.answers > answers:",
        "            if False:",
    ),
    Mutant(
        "R24",
        "refused content is replaced by a short failure",
        "decide.delivery",
        '            return Park(detail or "the server refused the content", _short_failure(report, told))',
        '            return Park(detail or "the server refused the content")',
    ),
    Mutant(
        "R25",
        "a result that is still here answers its task",
        "outbox.store",
        "    if found is not None:\n        completed",
        "    if found is not None and False:\n        completed",
    ),
    Mutant(
        "R25",
        "a result of uncertain fate is kept",
        "outbox.outbox",
        "        if judgement.keep:",
        "        if False:",
    ),
    Mutant(
        "R26",
        "a conflict after an unanswered try may mean accepted",
        "decide.delivery",
        "        case Verdict.CONFLICT if report.maybe_seen:",
        "        case Verdict.CONFLICT if False:",
    ),
    Mutant(
        "R26",
        "no task is reported by two loops at once",
        "worker.in_flight",
        "[one for one in look() if one.identity.task_key not in self._tasks]",
        "list(look())",
        "base",
    ),
    Mutant(
        "R27",
        "stored reports go out before the first claim",
        "worker.claimer",
        "        if not runtime.stored_sent or not runtime.life.running or runtime.command is not WorkerCommand.RUN:",
        "        if not runtime.life.running or runtime.command is not WorkerCommand.RUN:",
    ),
    Mutant(
        "R28",
        "a repeated report is a duplicate",
        "tests.simulator.model_server",
        "        if claim.outcome is not None:",
        "        if False:",
    ),
    Mutant(
        "R29",
        "any other end of a cancelled claim ends the task",
        "tests.simulator.model_server",
        "        elif task.cancel_asked:  #",
        "        elif False:  #",
    ),
    Mutant(
        "R30",
        "the last checkpoint is there for the next attempt",
        "outbox.store",
        "    return Held(superseded, last_checkpoint(db, claim.identity.task_key), lapses)",
        "    return Held(superseded, None, lapses)",
    ),
    Mutant(
        "R34",
        "a refused key keeps the reports",
        "decide.delivery",
        "        case Unauthorised(reason=reason):\n            return Again(reason, maybe_seen=False, alone=False)",
        "        case Unauthorised(reason=reason):\n            return Park(reason)",
    ),
    Mutant(
        "R36",
        "what still runs is told to end before the deadline",
        "worker.supervising",
        "    if life.cancel_due(now):",
        "    if False:",
    ),
    Mutant(
        "R37",
        "exit 0 only with nothing left",
        "decide.shutdown",
        "    return ExitCode.SOMETHING_LEFT if waiting or strays else ExitCode.NOTHING_LEFT",
        "    return ExitCode.NOTHING_LEFT",
    ),
    Mutant(
        "R38",
        "every end of a claim is counted",
        "worker.admission",
        "    runtime.ledger.end(end)\n    runtime.emit(ClaimEnded(ref, end, detail))",
        "    runtime.emit(ClaimEnded(ref, end, detail))",
    ),
    Mutant(
        "R40",
        "a quiet worker keeps asking, so that it hears `run`",
        "worker.claiming",
        "    reply = yield from talk(runtime, ExchangeRequest())",
        "    reply = yield Wait(1.0)",
    ),
)

STEPS = "wire.dialects.prismq_client"
PRISMQ_CLIENT_MUTANTS = tuple(
    Mutant(rule, what, module if "." in module else f"{STEPS}.{module}", old, new, "prismq-client")
    for rule, what, module, old, new in (
        (
            "R2",
            "every claim has a wire worker id of its own",
            "claiming",
            "    number = request_id[:LONGEST_NUMBER]\n",
            '    number = "1"\n',
        ),
        (
            "R6",
            "a claim that may have been seen is looked for",
            "claiming",
            "    if call.maybe_seen:\n",
            "    if False:\n",
        ),
        (
            "R22",
            "children that are created again have the same key",
            "children",
            '        what = digest({"type": child.type, "params": json.loads(child.params)})\n',
            "        what = str(id(child))\n",
        ),
        (
            "R22",
            "children are created before their parent's report",
            "reporting",
            "    if children:\n",
            "    if False:\n",
        ),
        (
            "R24",
            "content that never fits is refused, and a short failure takes its place",
            "reporting",
            "        case Refused(error=error) if answer.never_fits:\n",
            "        case Refused(error=error) if False:\n",
        ),
        (
            "R26",
            "what an unanswered report came to is asked of the server",
            "reporting",
            "    task = yield from get_task(report.identity.task_id)\n",
            '    yield from get_task(report.identity.task_id)\n    task = {"status": "pending"}\n',
        ),
        (
            "R26",
            "a claim that is still open gets its report once more",
            "reporting",
            '    if status == "claimed" and ours:\n',
            "    if False:\n",
        ),
        (
            "R26",
            "a failure that the server did by half is told",
            "reporting",
            '        failed_at = None if completed else whole(task.get("attempts"))\n',
            "        failed_at = None\n",
        ),
        (
            "R18",
            "a task is given back only where that cannot be its last attempt",
            "worker.runtime",
            "attempt is not None and attempt < most)",
            "attempt is not None and attempt <= most)",
        ),
    )
)
"""Of the dialect prismq-client: its steps, and what the worker does there only."""

ALL_MUTANTS = MUTANTS + PRISMQ_CLIENT_MUTANTS
