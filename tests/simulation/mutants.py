"""Rules taken out, each by one small change of a function; the simulator must find every one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        rule: Of docs/rules.md; else the bundle that asks for it.
        what: What is no longer done.
        place: `module:function`, the module below prismq_worker_sdk or one of tests.simulator, the function by its
            qualified name.
        old: What stands in the function just once: an expression, a statement, a case or a part of a text.
        new: What stands there instead.
        dialect: Of the plans that find it, "" for those of every number.
        plan: A kept one that is tried first, where hardly a random one gets there.
    """

    rule: str
    what: str
    place: str
    old: str
    new: str
    dialect: str = ""
    plan: str = ""

    @property
    def module(self):
        """The module's whole name."""
        name, _, _ = self.place.partition(":")
        return name if name.startswith("tests.") else f"prismq_worker_sdk.{name}"

    @property
    def function(self):
        """Its name within the module."""
        return self.place.partition(":")[2]


MODEL = "tests.simulator.model_server:ModelServer"
PRISMQ_CLIENT = "wire.dialects.prismq_client"

MUTANTS = (
    Mutant(
        "R1",
        "a report carries the id its task was claimed under",
        "worker.task_path:_identity",
        "services.worker_id",
        '"another"',
    ),
    Mutant("R2", "every claim has a token of its own", f"{MODEL}._grants", "len(self.claims)", "task.id"),
    Mutant(
        "R3",
        "a task that cannot be read is failed for good",
        "worker.task_path:_bad",
        "grant.task_id is not None",
        "False",
    ),
    Mutant(
        "R4",
        "no more is claimed than there are free slots",
        "decide.claims:next_claim",
        "min(room, max_tasks)",
        "min(room + 1, max_tasks)",
    ),
    Mutant(
        "R4",
        "of loops that do the same the first is told of everything",
        "worker.driver:wake_one",
        "first.wake()",
        "None",
        "base",
    ),
    Mutant(
        "R4",
        "no more is prefetched than there are slots",
        "decide.claims:prefetch",
        "min(slots, math.ceil(ended))",
        "slots + math.ceil(ended)",
        "exchange",
    ),
    Mutant(
        "R4",
        "what finds no slot in time goes back",
        "worker.prefetch:give_back",
        "services.slots.withdraw([attempt for attempt, why in found.items() if why is not None])",
        "()",
        "exchange",
    ),
    Mutant(
        "R36",
        "what was prefetched goes back when the worker stops",
        "worker.prefetch:_obstacle",
        "not services.lifecycle.running",
        "False",
        "exchange",
    ),
    Mutant(
        "R5",
        "what was prefetched is not begun after its claim ran out",
        "worker.prefetch:_obstacle",
        "now >= attempt.claim.expires_at",
        "False",
        "exchange",
    ),
    Mutant(
        "R5",
        "a lease counts from the first sending of its request",
        "worker.claim_loop:Claimer._arrivals",
        "arrive(services, new[:most], request.sent_at)",
        "arrive(services, new[:most], services.clock.monotonic())",
    ),
    Mutant(
        "R5",
        "a claim that has run out here is not begun",
        "worker.task_path:_obstacle",
        "now >= claim.expires_at",
        "False",
    ),
    Mutant(
        "R5",
        "a pause lasts no longer than it was to, whatever the clock says",
        "outbox.outbox:Outbox.pauses",
        '"SELECT task_type, min(until - ?1, seconds), reason FROM pauses WHERE until > ?1"',
        '"SELECT task_type, until - ?1, reason FROM pauses WHERE until > ?1"',
        plan="a_pause_lasted_a_day_after_the_clock_was_set_back",
    ),
    Mutant(
        "R6",
        "a claim without an answer is sent again under its request id",
        "worker.claim_loop:Claimer.failed",
        "self._services.lifecycle.running",
        "False",
    ),
    Mutant(
        "R6",
        "the server answers a repeat with what the first sending was given",
        f"{MODEL}._grants",
        "[claim for claim in held if claim.task.expires_at > now]",
        "[]",
    ),
    Mutant(
        "R6",
        "a call that ended a wait and had no answer is sent again",
        "worker.delivery_loop:Delivery._end_wait",
        "unknown and self._claimer.worth_repeating(waiting)",
        "False",
        plan="the_end_of_a_wait_that_had_no_answer_was_not_asked_again",
    ),
    Mutant(
        "R6",
        "a stop ends the wait on the server",
        "worker.delivery_loop:Delivery.step",
        "self._outlived(waiting)",
        "False",
    ),
    Mutant(
        "R6",
        "tasks that come with the end of a wait are started",
        "worker.delivery_loop:Delivery._end_wait",
        "self._claimer.answered_again(waiting, answer)",
        "None",
    ),
    Mutant(
        "R6",
        "tasks that come with the end of a wait that was over are started",
        "worker.claim_loop:Claimer.answered_again",
        "self._take_on_anew(new, request.sent_at)",
        "None",
    ),
    Mutant(
        "R7",
        "unconfirmed claims that run out do not count as attempts",
        f"{MODEL}._take",
        "task.unconfirmed < UNCONFIRMED_FREE",
        "False",
    ),
    Mutant(
        "R8",
        "a server that starts again takes no claim away for one lease",
        f"{MODEL}.restart",
        "now + self.lease_seconds",
        "now",
    ),
    Mutant(
        "R8",
        "an expired token stays valid until the task is claimed again",
        f"{MODEL}._report",
        "not task.held_by(claim)",
        "not task.held_by(claim) or now > task.expires_at",
    ),
    Mutant(
        "R9",
        "a task that runs here is not begun a second time here",
        "worker.task_path:_admit",
        "(live := one.live or started) is not None",
        "False",
        plan="a_task_that_outlived_its_claim_was_begun_a_second_time",
    ),
    Mutant(
        "R9",
        "a task that both answers to a claim have is taken on once",
        "worker.claim_loop:_new",
        "one.token is None or one.token not in request.tokens",
        "True",
    ),
    Mutant(
        "R10",
        "the first end of a claim wins",
        "outbox.store:end_claims",
        "drop_hold(db, end.identity)",
        "drop_hold(db, end.identity) or True",
    ),
    Mutant(
        "R12",
        "a commit that the disk refuses is repeated",
        "worker.commit_loop:commit",
        "attempt.settled is None or services.lifecycle.running",
        "False",
    ),
    Mutant(
        "R15",
        "a handler that is told to end because the worker stops gives its task back",
        "decide.ends:outcome_of_cancel",
        'Released(detail or "the worker stops")',
        'Failed(detail or "the worker stops")',
    ),
    Mutant(
        "R16",
        "a handler that does not end is given up",
        "decide.leases:watch",
        "Abandon() if now >= abandon_at else Look(abandon_at)",
        "Look(now + 3600.0)",
    ),
    Mutant(
        "R17",
        "an unexpected error leaves the retry to the server",
        "decide.ends:outcome_of_error",
        "Failed(text, type(error).__name__)",
        "Failed(text, type(error).__name__, retryable=False)",
    ),
    Mutant(
        "R18",
        "Defer gives the task back",
        "decide.ends:outcome_of_error",
        "Released(text, _delay(error, now))",
        'Failed(text, "Defer")',
    ),
    Mutant(
        "R18",
        "Unavailable pauses its type",
        "worker.commit_loop:pause_type",
        "services.availability.pause",
        "(lambda *_, **__: None)",
    ),
    Mutant(
        "R18",
        "a type whose handler is not ready is not claimed",
        "worker.availability:TypeAvailability.open",
        "state.unready is None",
        "True",
    ),
    Mutant(
        "R19",
        "a type whose handler fails one task after the other is paused",
        "decide.backoff:extend",
        "Streak(tasks, streak.pauses + 1), True",
        "Streak(tasks, streak.pauses + 1), False",
    ),
    Mutant(
        "R21",
        "claims of waiting reports are renewed",
        "worker.lease_renewer:LeaseRenewer._waiting",
        "return found",
        "return []",
    ),
    Mutant(
        "R21",
        "a claim that ended between two looks is looked for again",
        "worker.lease_renewer:LeaseRenewer.next_due",
        "not self._looked",
        "False",
        plan="a_claim_that_ended_between_two_looks_was_no_longer_renewed",
    ),
    Mutant("R21", "running claims are renewed in time", "decide.leases:next_renewal", "SHARE", "3"),
    Mutant(
        "R22",
        "children are committed with their result",
        "outbox.store:_insert",
        "children_text(one.children)",
        '"[]"',
    ),
    Mutant(
        "R23",
        "a line that rests goes on as soon as the server answers",
        "worker.delivery_loop:Delivery._rest_after",
        "services.server_status.answers > answers",
        "False",
    ),
    Mutant(
        "R24",
        "refused content is replaced by a short failure",
        "decide.delivery:_verdict",
        "_short_failure(report, told)",
        "None",
    ),
    Mutant(
        "R25",
        "a result that is still here answers its task",
        "outbox.store:_hold_known",
        "found is not None",
        "False",
    ),
    Mutant("R25", "a result of uncertain fate is kept", "outbox.store:_settle", "keep", "False"),
    Mutant(
        "R26",
        "a conflict after an unanswered try may mean accepted",
        "decide.delivery:_verdict",
        "report.maybe_seen",
        "False",
    ),
    Mutant(
        "R26",
        "no task is reported by two loops at once",
        "worker.report_sender:ReportSender.take",
        "[one for one in found if one.identity.task_id not in self.in_flight]",
        "list(found)",
        "base",
    ),
    Mutant(
        "R27",
        "stored reports go out before the first claim",
        "worker.claim_loop:Claimer.rooms",
        "shared.stored_sent",
        "True",
    ),
    Mutant(
        "R28", "a repeated report is a duplicate", f"{MODEL}._report", "claim.outcome is not None", "False"
    ),
    Mutant(
        "R29",
        "any other end of a cancelled claim ends the task",
        f"{MODEL}._apply",
        "task.cancel_asked",
        "False",
    ),
    Mutant(
        "R30",
        "the last checkpoint is there for the next attempt",
        "outbox.store:_hold_known",
        "last_checkpoint(db, claim.identity.task_key)",
        "None",
    ),
    Mutant(
        "R34",
        "a refused key keeps the reports",
        "decide.delivery:judge",
        "case Unauthorised(reason=reason):\n    return Again(reason, maybe_seen=False, alone=False)",
        "case Unauthorised(reason=reason):\n    return Park(reason)",
    ),
    Mutant(
        "R36",
        "what still runs is told to end before the deadline",
        "worker.supervision.supervise_loop:_end_handlers",
        "now >= life.cancel_at",
        "False",
    ),
    Mutant("R37", "exit 0 only with nothing left", "decide.shutdown:exit_code", "waiting or strays", "False"),
    Mutant(
        "R38",
        "every end of a claim is counted",
        "worker.commit_loop:count_and_tell",
        "ledger.end(len(ends))",
        "None",
    ),
    Mutant(
        "R40",
        "a quiet worker keeps asking, so that it hears `run`",
        "worker.standing_by:listen",
        "yield from exchange(services, ExchangeRequest())",
        "yield Wait(1.0)",
    ),
    Mutant(
        "fan_in",
        "what is to follow the children is kept apart from them",
        "outbox.rows:_child_of",
        'kept["key"] == FOLLOWER_KEY',
        "False",
        "exchange",
    ),
    Mutant(
        "fan_in",
        "a task follows once all children have ended",
        f"{MODEL}._follow",
        'set(statuses) <= {"completed", "failed"}',
        "True",
        "exchange",
    ),
    Mutant(
        "limits",
        "a pause that had no good answer is told again",
        "worker.driver:exchange",
        "services.pauses.failed(now)",
        "services.pauses.told(pauses, now, sent_at)",
        "exchange",
    ),
    Mutant(
        "limits",
        "of two pauses of a worker the one that ends later counts",
        "worker.limit_pauses:LimitPauses.add",
        "before.until < now + seconds",
        "True",
        "exchange",
    ),
    Mutant(
        "limits",
        "a pause that was made longer meanwhile is told too",
        "worker.limit_pauses:LimitPauses.told",
        "kept.until <= sent_at + one.seconds",
        "True",
        "exchange",
    ),
    Mutant(
        "limits",
        "a pause that comes again ends no longer one",
        f"{MODEL}._exchange",
        'max(now + item["seconds"], self.paused.get(item["name"], 0.0))',
        'now + item["seconds"]',
        "exchange",
    ),
)

PRISMQ_CLIENT_MUTANTS = (
    Mutant(
        "R2",
        "every claim has a wire worker id of its own",
        f"{PRISMQ_CLIENT}.claims:wire_worker_id",
        "request_id[:MAX_NUMBER]",
        '"1"',
        "prismq-client",
    ),
    Mutant(
        "R6",
        "a claim that may have been seen is looked for",
        f"{PRISMQ_CLIENT}.claims:claim",
        "call.maybe_seen",
        "False",
        "prismq-client",
    ),
    Mutant(
        "R22",
        "children that are created again have the same key",
        f"{PRISMQ_CLIENT}.reports:child_keys",
        'digest({"type": child.type, "params": json.loads(child.params)})',
        "str(id(child))",
        "prismq-client",
    ),
    Mutant(
        "R22",
        "children are created before their parent's report",
        f"{PRISMQ_CLIENT}.reports:report",
        "yield from create_children(session, report)",
        "None",
        "prismq-client",
    ),
    Mutant(
        "R24",
        "content that never fits is refused, and a short failure takes its place",
        f"{PRISMQ_CLIENT}.reports:_complete",
        "answer.permanently_rejected",
        "False",
        "prismq-client",
    ),
    Mutant(
        "R26",
        "what an unanswered report came to is asked of the server",
        f"{PRISMQ_CLIENT}.reports:_lookup_outcome",
        "yield from tasks.get_task(report.identity.task_id)",
        '((yield from tasks.get_task(report.identity.task_id)), {"status": "pending"})[1]',
        "prismq-client",
    ),
    Mutant(
        "R26",
        "a claim that is still open gets its report once more",
        f"{PRISMQ_CLIENT}.reports:_lookup_outcome",
        'status == "claimed" and ours',
        "False",
        "prismq-client",
    ),
    Mutant(
        "R26",
        "a failure that the server did by half is told",
        f"{PRISMQ_CLIENT}.reports:_lookup_outcome",
        'None if completed else tasks.whole(task.get("attempts"))',
        "None",
        "prismq-client",
    ),
    Mutant(
        "R18",
        "a task is given back only where that cannot be its last attempt",
        "worker.services:Services.retried",
        "attempt < most",
        "attempt <= most",
        "prismq-client",
    ),
)
"""Of the dialect prismq-client: its steps, and what the worker does there only."""

ALL_MUTANTS = MUTANTS + PRISMQ_CLIENT_MUTANTS
