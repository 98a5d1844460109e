"""Faults in what a config may say, and in what is made of foreign text."""

from __future__ import annotations

from tests.mutants.fault import fault

CONDITIONS = "tests/unit/core/expressions/test_conditions.py"
TEMPLATES = "tests/unit/core/expressions/test_templates.py"
TEXT = "tests/unit/core/test_text.py"
PROBLEMS = "tests/unit/config/shape/test_problems.py"

RULES = (
    fault(
        "a large repetition is read as text",
        "patterns:_count",
        "len(number) > 4 or int(number) > MOST_REPEATS",
        "len(number) > 40 and int(number) > MOST_REPEATS",
        f"{CONDITIONS}::test_a_pattern_that_cannot_be_matched_so_is_refused",
    ),
    fault(
        "a pattern knows ASCII alone",
        "patterns:_escape",
        "f'[{_UNICODE[found]}]' if found in _UNICODE else found",
        "found",
        f"{CONDITIONS}::test_a_pattern_knows_unicode_as_rusts_does",
    ),
    fault(
        "a template is computed while it is compiled",
        "jinja_sandbox:_environment",
        (
            "TemplateSandbox(undefined=UndefinedName, finalize=_print, trim_blocks=True, lstrip_blocks=True,"
            " autoescape=False, cache_size=0, optimized=False)"
        ),
        (
            "TemplateSandbox(undefined=UndefinedName, finalize=_print, trim_blocks=True, lstrip_blocks=True,"
            " autoescape=False, cache_size=0, optimized=True)"
        ),
        f"{TEMPLATES}::test_nothing_is_computed_while_a_template_is_compiled",
    ),
    fault(
        "comparisons are not counted",
        "jinja_sandbox:_Guard.visit_Compare",
        "operand.expr = _looked_at_first(operand.expr)",
        "pass",
        f"{TEMPLATES}::test_what_costs_too_much_for_any_case_is_refused_when_it_is_compiled",
    ),
    fault(
        "members of members are not counted",
        "budget:size_of",
        "waiting.extend(inside)",
        "waiting.extend(())",
        f"{TEMPLATES}::test_what_costs_too_much_for_any_case_is_refused_when_it_is_compiled",
    ),
    fault(
        "a template that looks at all of a Case is kept as if it looked at its priority",
        "jinja_sandbox:_all_looked_at",
        "return None",
        "continue",
        f"{TEMPLATES}::test_a_template_makes_of_a_case_what_it_makes_of_it_whatever_it_saw_before",
    ),
    fault(
        "a truth value as Python writes it",
        "expressions.filters:_plain",
        "'true' if value else 'false'",
        "str(value)",
        f"{TEMPLATES}::test_a_template_prints",
    ),
    fault(
        "a mark is looked for before hidden signs are taken out",
        "budget:Budget.print",
        "without_code_blocks(clean(text), more_follows=True)",
        "clean(without_code_blocks(text, more_follows=True))",
        f"{TEMPLATES}::test_a_sign_that_nobody_sees_hides_no_mark",
    ),
    fault(
        "a template that fails for every Case is let through",
        "jinja_sandbox:_refuse_failing",
        "looks_at_nothing or isinstance(failure, TooMuch)",
        "isinstance(failure, TooMuch)",
        "tests/unit/core/expressions/test_templates.py::test_what_can_never_be_right_is_refused_when_it_is_compiled",
    ),
    fault(
        "marks of two values are not seen together",
        "templates:Template.render",
        "without_code_blocks(text) if journal and (not own_marks) else text",
        "text",
        f"{TEMPLATES}::test_a_mark_that_comes_together_from_several_values_is_harmless_too",
    ),
    fault(
        "a cut counts code points alone",
        "text:_surrogate_pairs",
        "text.isascii()",
        "text",
        f"{TEXT}::test_a_cut_keeps_as_much_as_fits_and_no_half_of_a_character",
    ),
    fault(
        "the mark of direction of Arabic stays",
        "text:",
        r"'\\u061c'",
        "''",
        f"{TEXT}::test_every_sign_that_nobody_sees_is_taken_out_and_nothing_else_is",
    ),
    fault(
        "a number that int refuses ends the program",
        "config.file:parsed",
        "ValueError",
        "KeyError",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a condition's first sign is read unguarded",
        "compiler:_read",
        "TemplateSyntaxError",
        "RecursionError",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a config that anybody can write",
        "config.file:_bytes_of",
        "stat.S_IWOTH",
        "stat.S_IXOTH",
        "tests/system/test_bad_input.py::test_a_config_that_everybody_can_write_or_that_is_no_config_is_refused",
    ),
    fault(
        "a secret that anybody can write",
        "secrets:_from_file",
        "stat.S_IWOTH",
        "stat.S_IXOTH",
        "tests/unit/config/test_secrets.py::test_a_file_that_others_can_write",
    ),
    fault(
        "the database gets the mode that SQLite gives",
        "connection:open_file",
        "_make_file(path)",
        "",
        "tests/unit/store/opening/test_opening.py::test_no_other_user_reads_the_file_or_what_stands_beside_it",
    ),
    fault(
        "a lock file is followed through a link",
        "lock:DatabaseLock._locked_file",
        "os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW",
        "os.O_RDWR | os.O_CREAT | os.O_CLOEXEC",
        "tests/unit/store/opening/test_lock.py::test_a_lock_file_that_is_a_link_is_not_followed",
    ),
    fault(
        "a file that is not ours is emptied",
        "lock:DatabaseLock._locked_file",
        "self._refuse_foreign(file)",
        "",
        "tests/unit/store/opening/test_lock.py::test_a_file_that_is_not_ours_is_neither_locked_nor_emptied",
    ),
    fault(
        "a journal is kept in step",
        "config.policies:",
        "sorted(JOURNAL_FIELDS)",
        "sorted(JOURNAL_FIELDS)[:1]",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a line reaches the terminal as it is",
        "terminal:print_lines",
        "escape_controls(str(line))",
        "str(line)",
        "tests/system/test_bad_input.py::test_no_word_of_a_service_moves_a_cursor_or_starts_a_line",
    ),
    fault(
        "JSON reaches the terminal as it is",
        "terminal:_harmless_json",
        "UNSAFE.sub(lambda sign: json.dumps(sign[0])[1:-1], line)",
        "line",
        "tests/system/test_bad_input.py::test_no_word_of_a_service_moves_a_cursor_or_starts_a_line",
    ),
    fault(
        "an empty column is a value",
        "compiler:_Compiler._path",
        "found is _MISSING or (isinstance(found, str) and not found)",
        "found is _MISSING",
        f"{CONDITIONS}::test_an_outbound_condition_sees_record_and_case",
    ),
    fault(
        "a number in place of a text goes unsaid",
        "vocabulary:never_true",
        'operator in {"eq", "ne"} and _is_number(left) != _is_number(right)',
        'operator == "eq" and _is_number(left) != _is_number(right)',
        f"{CONDITIONS}::test_a_comparison_that_can_never_be_true_is_a_doubt",
    ),
    fault(
        "a record follows its Case though update_when is false",
        "drafts:_record_side",
        "verdict.withheld and (draft.questions or draft.problem or draft.fields)",
        "False",
        "tests/scenario/test_update_when.py::test_while_it_is_false_a_record_gets_nothing_and_then_one_write",
    ),
    fault(
        "what a filter is given is not tried",
        "calls:_values",
        "name in _TAKEN and given and ('attribute' not in given)",
        "False",
        f"{TEMPLATES}::test_what_can_never_be_right_is_refused_when_it_is_compiled",
    ),
    fault(
        "a filter that another is given by name is called as one likes",
        "calls:_calls",
        "yield from _calls(other)",
        "pass",
        f"{TEMPLATES}::test_what_can_never_be_right_is_refused_when_it_is_compiled",
    ),
    fault(
        "a default is missing whatever fails",
        "lint:_way_out",
        "isinstance(failure, ValueMissing)",
        "True",
        "tests/unit/core/planning/test_trial.py::"
        "test_a_template_that_meets_a_value_it_does_not_take_is_told_otherwise_than_one_that_misses_one",
    ),
    fault(
        "a device is the path of a file",
        "config.file:is_file_path",
        "stat.S_ISREG(path.stat().st_mode)",
        "not stat.S_ISDIR(path.stat().st_mode)",
        "tests/unit/config/shape/test_problems.py::test_each_mistake",
    ),
    fault(
        "a basic login takes a name with a colon",
        "config.services:_for_basic",
        "Auth(table.auth) is Auth.BASIC and ':' in (table.username or '')",
        "False",
        "tests/unit/config/shape/test_problems.py::test_each_mistake",
    ),
)
