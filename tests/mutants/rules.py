"""Faults in what a config may say, and in what is made of foreign text."""

from __future__ import annotations

from tests.mutants.fault import fault

CONDITIONS = "tests/unit/test_conditions.py"
TEMPLATES = "tests/unit/test_templates.py"
TEXT = "tests/unit/test_text.py"
PROBLEMS = "tests/unit/test_config_problems.py"

RULES = (
    fault(
        "a large repetition is read as text",
        "core/expressions/patterns.py",
        "if any(len(number) > 4 or",
        "if any(len(number) > 40 and",
        f"{CONDITIONS}::test_a_pattern_that_cannot_be_matched_so_is_refused",
    ),
    fault(
        "a pattern knows ASCII alone",
        "core/expressions/patterns.py",
        'return f"[{_UNICODE[found]}]" if found in _UNICODE else found',
        "return found",
        f"{CONDITIONS}::test_a_pattern_knows_unicode_as_rusts_does",
    ),
    fault(
        "a template is computed while it is compiled",
        "core/expressions/jinja_sandbox.py",
        "optimized=False,",
        "optimized=True,",
        f"{TEMPLATES}::test_nothing_is_computed_while_a_template_is_compiled",
    ),
    fault(
        "comparisons are not counted",
        "core/expressions/jinja_sandbox.py",
        "            operand.expr = _looked_at_first(operand.expr)",
        "            pass",
        f"{TEMPLATES}::test_what_costs_too_much_for_any_case_is_refused_when_it_is_compiled",
    ),
    fault(
        "members of members are not counted",
        "core/expressions/budget.py",
        "            waiting.extend(inside)",
        "            waiting.extend(())",
        f"{TEMPLATES}::test_what_costs_too_much_for_any_case_is_refused_when_it_is_compiled",
    ),
    fault(
        "a truth value as Python writes it",
        "core/expressions/filters.py",
        """return "true" if value else "false\"""",
        "return str(value)",
        f"{TEMPLATES}::test_a_template_prints",
    ),
    fault(
        "a mark is looked for before hidden signs are taken out",
        "core/expressions/budget.py",
        "without_code_blocks(clean(text), more_follows=True)",
        "clean(without_code_blocks(text, more_follows=True))",
        f"{TEMPLATES}::test_a_sign_that_nobody_sees_hides_no_mark",
    ),
    fault(
        "marks of two values are not seen together",
        "core/expressions/templates.py",
        "return without_code_blocks(text) if journal and not own_marks else text",
        "return text",
        f"{TEMPLATES}::test_a_mark_that_comes_together_from_several_values_is_harmless_too",
    ),
    fault(
        "a cut counts code points alone",
        "core/text.py",
        "return 0 if text.isascii() else sum(",
        "return 0 if text else sum(",
        f"{TEXT}::test_a_cut_keeps_as_much_as_fits_and_no_half_of_a_character",
    ),
    fault(
        "the mark of direction of Arabic stays",
        "core/text.py",
        r"\xad\u061c",
        r"\xad",
        f"{TEXT}::test_every_sign_that_nobody_sees_is_taken_out_and_nothing_else_is",
    ),
    fault(
        "a number that int refuses ends the program",
        "config/load.py",
        "    except ValueError:  # of int()",
        "    except KeyError:  # of int()",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a condition's first sign is read unguarded",
        "core/expressions/conditions.py",
        "    except TemplateSyntaxError as error:",
        "    except RecursionError as error:",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a config that anybody can write",
        "config/load.py",
        "if mode & stat.S_IWOTH:",
        "if mode & stat.S_IXOTH:",
        "tests/system/test_bad_input.py::test_a_config_that_everybody_can_write_or_that_is_no_config_is_refused",
    ),
    fault(
        "a secret that anybody can write",
        "config/secrets.py",
        "if status.st_mode & stat.S_IWOTH:",
        "if status.st_mode & stat.S_IXOTH:",
        "tests/unit/test_config_secrets.py::test_a_file_that_others_can_write",
    ),
    fault(
        "the database gets the mode that SQLite gives",
        "store/connection.py",
        "    _make_file(path)\n    with",
        "    with",
        "tests/unit/test_store_opening.py::test_no_other_user_reads_the_file_or_what_stands_beside_it",
    ),
    fault(
        "a lock file is followed through a link",
        "store/lock.py",
        " | os.O_NOFOLLOW",
        "",
        "tests/unit/test_daemon_lock.py::test_a_lock_file_that_is_a_link_is_not_followed",
    ),
    fault(
        "a file that is not ours is emptied",
        "store/lock.py",
        "            self._refuse_foreign(file)\n",
        "",
        "tests/unit/test_daemon_lock.py::test_a_file_that_is_not_ours_is_neither_locked_nor_emptied",
    ),
    fault(
        "a journal is kept in step",
        "config/policies.py",
        "sorted(JOURNAL_FIELDS),",
        "sorted(JOURNAL_FIELDS)[:1],",
        f"{PROBLEMS}::test_whatever_is_wrong_is_a_problem_with_its_line",
    ),
    fault(
        "a line reaches the terminal as it is",
        "cli/terminal.py",
        "        click.echo(escape_controls(str(line)))\n",
        "        click.echo(str(line))\n",
        "tests/system/test_bad_input.py::test_no_word_of_a_service_moves_a_cursor_or_starts_a_line",
    ),
    fault(
        "JSON reaches the terminal as it is",
        "cli/terminal.py",
        "UNSAFE.sub(lambda sign: json.dumps(sign[0])[1:-1], line)",
        "line",
        "tests/system/test_bad_input.py::test_no_word_of_a_service_moves_a_cursor_or_starts_a_line",
    ),
)
