"""Faults of a TaskManager, each by one small change of a function; the conformance kit must find every one by name."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from tests.simulation.change import changed


@dataclass(frozen=True)
class Fault:
    """One change of a function of the TaskManager.

    Attributes:
        what: What the server does wrong.
        place: `module:function`, the module below prismq_worker_sdk.taskmanager.
        old: What stands in the function just once.
        new: What stands there instead.
        found: The names of the checks that fail.
    """

    what: str
    place: str
    old: str
    new: str
    found: tuple[str, ...]

    def plant(self, monkeypatch):
        """Changes the function in place, for all who call it."""
        module_name, _, qualified = self.place.partition(":")
        module = importlib.import_module(f"prismq_worker_sdk.taskmanager.{module_name}")
        tree = changed(Path(module.__file__).read_text("utf-8"), qualified, self.old, self.new)
        function, code = module, compile(tree, module.__file__, "exec", dont_inherit=True)
        for name in qualified.split("."):
            function = getattr(function, name)
            code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
        monkeypatch.setattr(function, "__code__", code)


FAULTS = (
    Fault(
        "health is told in other words",
        "routes.worker:health",
        '"healthy"',
        '"fine"',
        ("base.health_says_healthy",),
    ),
    Fault(
        "what is unknown is gone",
        "queries:find",
        "404",
        "410",
        ("base.the_end_of_an_unknown_task_is_404", "manage.what_is_unknown_is_404"),
    ),
    Fault(
        "times have no zone",
        "views:_instant",
        "instant(seconds)",
        "instant(seconds)[:-1]",
        (
            "base.times_are_rfc_3339_in_utc",
            "exchange.a_task_comes_with_its_claim",
            "manage.a_created_task_is_pending",
            "manage.a_task_shows_its_life",
            "manage.a_task_with_a_delay_waits",
        ),
    ),
    Fault(
        "any worker may end a task",
        "ends:end_of_worker",
        "not _is_live(row) or row.worker_id != worker_id",
        "not _is_live(row)",
        ("base.an_abandoned_task_is_handed_out_again", "base.another_worker_cannot_end_a_task"),
    ),
    Fault(
        "a task may end twice",
        "ends:end_of_worker",
        "not _is_live(row) or row.worker_id != worker_id",
        "row.worker_id != worker_id",
        ("base.a_task_ends_once",),
    ),
    Fault(
        "an old token is as good as the new one",
        "ends:_is_current",
        "held.claim == held.held",
        "True",
        (
            "exchange.an_expired_token_is_valid_until_the_task_is_claimed_again",
            "exchange.what_another_has_claimed_is_lost",
        ),
    ),
    Fault(
        "a token counts for any task",
        "ends:_held",
        "row and row.id == item.task_id",
        "row",
        ("exchange.a_token_is_of_its_task",),
    ),
    Fault(
        "a repeated report is refused",
        "ends:_report",
        "first == outcome",
        "False",
        (
            "exchange.a_repeated_report_is_a_duplicate",
            "exchange.a_repeated_report_is_a_duplicate_after_the_next_claim",
            "exchange.children_are_created_with_their_report",
        ),
    ),
    Fault(
        "a second outcome is no contradiction",
        "ends:_report",
        "first is not None",
        "False",
        (
            "exchange.another_outcome_under_the_same_token_is_refused",
            "exchange.other_children_are_another_outcome",
        ),
    ),
    Fault(
        "verdicts come in another order",
        "ends:report",
        "return verdicts, writes.freed",
        "return verdicts[::-1], writes.freed",
        ("exchange.verdicts_come_in_the_order_sent",),
    ),
    Fault(
        "a renewal does not renew",
        "ends:renew",
        "now + seconds",
        "now",
        (
            "exchange.a_renewal_keeps_a_claim",
            "exchange.an_expired_token_is_valid_until_the_task_is_claimed_again",
        ),
    ),
    Fault(
        "renewals say nothing of a wish to cancel",
        "ends:renew",
        "row.cancel_asked",
        "False",
        ("manage.a_wish_to_cancel_is_told_at_the_next_renewal",),
    ),
    Fault(
        "a wish to cancel is forgotten",
        "ends:_end",
        "task.cancel_asked",
        "False",
        ("manage.a_cancelled_task_that_does_not_complete_has_failed",),
    ),
    Fault(
        "a release counts as an attempt",
        "ends:_end",
        "attempts -= 1",
        "pass",
        ("exchange.a_release_does_not_count",),
    ),
    Fault(
        "delays are passed over",
        "ends:_end",
        "int(wait > 0)",
        "0",
        (
            "exchange.a_failure_waits_as_long_as_it_was_told_to",
            "exchange.a_release_waits_as_long_as_it_was_told_to",
        ),
    ),
    Fault(
        "checkpoints are lost",
        "ends:_checkpoint",
        "None if value is None else json_text(value)",
        "None",
        ("exchange.a_checkpoint_is_kept", "manage.progress_is_shown"),
    ),
    Fault(
        "results may have any size",
        "ends:_unfit",
        "(size := size_of(text)) > limit",
        "(size := size_of(text)) < 0",
        ("exchange.a_result_that_is_too_large_is_refused_alone",),
    ),
    Fault(
        "children are not created",
        "ends:_create_children",
        "item.children",
        "()",
        (
            "exchange.a_child_that_does_not_fit_refuses_the_report_whole",
            "exchange.children_are_created_with_their_report",
            "fan_in.a_task_follows_the_last_child",
            "fan_in.children_are_counted",
            "manage.children_know_their_parent",
        ),
    ),
    Fault(
        "a child that does not fit stops no other",
        "producing:create",
        "children and any(isinstance(one, Problem) for one in answers)",
        "False",
        ("exchange.a_child_that_does_not_fit_refuses_the_report_whole",),
    ),
    Fault(
        "an attempt never counts",
        "ends:_alive",
        "held.attempts + 1",
        "held.attempts",
        (
            "exchange.a_failure_is_tried_again",
            "exchange.a_release_does_not_count",
            "exchange.an_attempt_counts_once_it_was_confirmed",
            "logs.attempts_have_logs_of_their_own",
        ),
    ),
    Fault(
        "every claim counts as an attempt",
        "claims:_counted",
        "row.unconfirmed < UNCONFIRMED_FREE",
        "False",
        ("exchange.an_attempt_counts_once_it_was_confirmed", "exchange.ten_unconfirmed_claims_are_free"),
    ),
    Fault(
        "unconfirmed claims never count",
        "claims:_counted",
        "row.unconfirmed < UNCONFIRMED_FREE",
        "True",
        ("exchange.ten_unconfirmed_claims_are_free",),
    ),
    Fault(
        "what cannot be retried is",
        "rules:after_failure",
        "retryable is False",
        "False",
        ("exchange.a_failure_that_is_not_retryable_ends_the_task", "fan_in.a_task_follows_the_last_child"),
    ),
    Fault(
        "answers may have any size",
        "claims:take",
        "room < 0",
        "False",
        ("exchange.an_answer_is_no_larger_than_announced",),
    ),
    Fault(
        "a repeat is a claim of its own",
        "exchange:_claim",
        "Taken(held) if held else take(db, wanted, now)",
        "take(db, wanted, now)",
        ("exchange.a_repeat_of_a_request_is_given_the_same_tasks",),
    ),
    Fault(
        "a quiet worker is given tasks",
        "exchange:_claim",
        "command != RUN",
        "False",
        ("manage.a_quiet_worker_gets_no_tasks",),
    ),
    Fault(
        "a repeat waits, too",
        "waiting:Waiting.joined",
        "wait is None",
        "True",
        ("exchange.a_repeat_ends_the_wait",),
    ),
    Fault(
        "nobody wakes a wait",
        "waiting:Wait.feed",
        "self.news.set()",
        "None",
        ("exchange.a_wait_ends_when_work_comes", "manage.a_wait_hears_that_its_worker_is_to_be_quiet"),
    ),
    Fault(
        "dedupe keys are passed over",
        "producing:create",
        "by_key.get(key) or twins.get(key)",
        "None",
        (
            "batch.a_dedupe_key_counts_within_a_batch",
            "manage.a_dedupe_key_is_taken_while_its_task_is_unfinished",
            "manage.a_dedupe_key_with_a_parent_is_taken_for_ever",
            "manage.children_know_their_parent",
            "manage.one_dedupe_key_is_one_task_however_many_come_at_once",
        ),
    ),
    Fault(
        "params are not looked at",
        "producing:_check",
        "row is not None",
        "False",
        (
            "exchange.a_child_that_does_not_fit_refuses_the_report_whole",
            "manage.params_are_held_to_the_schema_of_their_type",
        ),
    ),
    Fault(
        "any change of a type is taken",
        "producing:publish",
        "before is not None and not new.allow_breaking",
        "False",
        ("manage.a_breaking_change_is_refused",),
    ),
    Fault(
        "faults have no pointers",
        "http:Problem.text",
        '{**body, "errors": errors} if errors else body',
        "body",
        (
            "manage.a_task_that_makes_no_sense_is_refused",
            "manage.params_are_held_to_the_schema_of_their_type",
        ),
    ),
    Fault(
        "what is used of a limit is not counted",
        "rooms:Rooms.book",
        "units[name] += number",
        "pass",
        (
            "limits.many_claims_at_once_keep_to_a_limit",
            "limits.no_more_begins_in_a_period_than_there_are_units",
            "limits.units_come_back_after_the_period",
        ),
    ),
    Fault(
        "limits do not pause",
        "rooms:left_of",
        "row.paused_until is not None and row.paused_until > now",
        "False",
        ("limits.a_pause_rides_on_an_exchange", "limits.a_paused_limit_stops_its_tasks"),
    ),
    Fault(
        "lines that come again are stored again",
        "task_logs:fitting",
        "max(0, before.last + 1 - log.first)",
        "0",
        ("logs.lines_that_come_again_are_passed_over",),
    ),
    Fault(
        "acts are not written down",
        "audit:note_many",
        "targets.items()",
        "()",
        ("audit.an_act_is_written_down",),
    ),
    Fault(
        "the first child that ends is taken for the last",
        "fan_in:follow",
        "any(_OPEN.first(db, parent_id=row.parent_id))",
        "False",
        ("fan_in.a_task_follows_the_last_child", "fan_in.children_are_counted"),
    ),
    Fault(
        "keys hold for ever",
        "callers:KeyRing.replace",
        "(*of_database, *self._of_file)",
        "(*self._keys.values(), *of_database, *self._of_file)",
        ("keys.a_key_holds_until_it_expires", "keys.a_revoked_key_holds_no_more"),
    ),
    Fault(
        "keys are bound to nothing",
        "callers:Caller.must_use",
        "self.may_use(one)",
        "True",
        ("keys.a_key_may_be_bound_to_task_types",),
    ),
    Fault(
        "a job goes on with tasks that come later",
        "bulk:_meant",
        "tasks.c.seq <= last_seq",
        "tasks.c.seq > 0",
        ("bulk.a_job_does_it_to_the_tasks_of_its_time",),
    ),
    Fault(
        "cron is read on the clocks of UTC",
        "firing:Cron.after",
        "_zone(self.zone)",
        '_zone("UTC")',
        ("schedules.a_schedule_is_set_and_shown",),
    ),
    Fault(
        "what a worker says of itself is passed over",
        "routes.worker:exchanged",
        "(said := asked.status) is not None",
        "(said := asked.status) is None and said is not None",
        (
            "worker_status.the_reason_of_a_type_is_shown",
            "worker_status.what_a_worker_says_of_itself_is_shown",
        ),
    ),
    Fault(
        "a pause of a worker has no end",
        "workers:note_status",
        "now + seconds",
        "None",
        ("worker_status.the_reason_of_a_type_is_shown",),
    ),
    Fault(
        "trace contexts are forgotten",
        "traced:Traced.trace_columns",
        "trace is None",
        "True",
        (
            "trace_context.a_task_keeps_its_trace_context",
            "trace_context.a_trace_context_outlives_an_attempt",
            "trace_context.children_keep_their_trace_context",
        ),
    ),
    Fault(
        "a malformed traceparent is kept",
        "traced:Traced.trace_columns",
        "self.trace",
        "self.traceparent and type('', (), {'parent': self.traceparent, 'state': self.tracestate})",
        ("trace_context.a_malformed_traceparent_counts_as_absent",),
    ),
    Fault(
        "what follows children has no trace context",
        "fan_in:_create",
        "row.traceparent",
        "None",
        ("trace_context.children_keep_their_trace_context",),
    ),
)
