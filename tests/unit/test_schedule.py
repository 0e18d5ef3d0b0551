"""The rate text and the plan it stands for (design: the recipe; A1111's reading in 1-based steps)."""

from __future__ import annotations

import pytest

from tinv_tui.errors import InputError
from tinv_tui.schedule import Plan, Reading, changed_from, parse_rates

GUIDE = "0.005:500, 0.001:1000, 0.004"


def spans(text: str, steps: int, reading: Reading = "duration") -> list[tuple[float, int, int]]:
    return [(s.rate, s.first, s.last) for s in parse_rates(text, steps, reading).spans]


def codes(plan: Plan) -> list[str]:
    return [code for code, _ in plan.warnings]


def test_one_rate_holds_for_every_step() -> None:
    assert spans("0.005", 20) == [(0.005, 1, 20)]


def test_a_count_says_for_how_many_further_steps_a_rate_holds() -> None:
    assert spans(GUIDE, 2000) == [(0.005, 1, 500), (0.001, 501, 1500), (0.004, 1501, 2000)]


def test_an_absolute_count_is_the_last_step_of_its_rate() -> None:
    assert spans(GUIDE, 2000, "absolute") == [(0.005, 1, 500), (0.001, 501, 1000), (0.004, 1001, 2000)]


@pytest.mark.parametrize("reading", ["duration", "absolute"])
def test_a_text_that_fits_its_steps_gives_no_warning(reading: Reading) -> None:
    assert parse_rates(GUIDE, 2000, reading).warnings == ()


def test_counts_that_end_exactly_at_the_last_step_give_no_warning() -> None:
    plan = parse_rates("0.005:500, 0.001:1500", 2000)
    assert (plan.spans[-1].last, plan.warnings) == (2000, ())


@pytest.mark.parametrize(("reading", "last"), [("duration", 1500), ("absolute", 1000)])
def test_the_last_rate_holds_to_the_end_with_a_warning_when_counts_run_out(reading: Reading, last: int) -> None:
    plan = parse_rates("0.005:500, 0.001:1000", 2000, reading)
    assert (plan.spans[-1].rate, plan.spans[-1].first, plan.spans[-1].last) == (0.001, 501, 2000)
    assert codes(plan) == ["rate-short"]
    assert f"step {last}" in plan.warnings[0][1]


@pytest.mark.parametrize("reading", ["duration", "absolute"])
def test_a_count_past_the_end_is_cut_and_said(reading: Reading) -> None:
    plan = parse_rates("0.005:500, 0.001:9000", 2000, reading)
    assert plan.spans[-1].last == 2000
    assert codes(plan) == ["rate-cut"]


@pytest.mark.parametrize("rest", ["0.001", "0.001:10"])
def test_a_rate_that_would_begin_after_the_last_step_is_said_to_be_unused(rest: str) -> None:
    plan = parse_rates(f"0.005:500, {rest}", 500)
    assert len(plan.spans) == 1
    assert codes(plan) == ["rate-cut"]


def test_what_follows_a_rate_without_a_count_is_said_to_be_unused() -> None:
    plan = parse_rates("0.005, 0.001:10", 50)
    assert [s.rate for s in plan.spans] == [0.005]
    assert codes(plan) == ["rate-unreachable"]
    assert "0.001:10" in plan.warnings[0][1]


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        ("0.01:100, 0.02", 100, [(0.01, 1, 100)]),  # without A1111's overshoot by one step
        ("0.01:100, 0.02:50, 0.03", 200, [(0.01, 1, 100), (0.03, 101, 200)]),
        ("0.01:150, 0.02", 100, [(0.01, 1, 100)]),
        ("0.01:-1, 0.02", 100, [(0.01, 1, 100)]),
        ("0.01:0, 0.02", 100, [(0.02, 1, 100)]),
        ("1e-3:5,", 10, [(0.001, 1, 10)]),  # without A1111's early end
    ],
)
def test_an_absolute_text_reads_as_in_a1111(text: str, steps: int, expected: list[tuple[float, int, int]]) -> None:
    assert spans(text, steps, "absolute") == expected


def steps_from(text: str, steps: int, start: int) -> list[tuple[float, int, int]]:
    """The rates of a run that goes on after step ``start``: rate, first and last step."""
    plan = parse_rates(text, steps, "absolute")
    found: list[tuple[float, int, int]] = []
    for step in range(start + 1, steps + 1):
        rate = plan.rate_at(step)
        found = (
            [*found[:-1], (rate, found[-1][1], step)]
            if found and found[-1][0] == rate
            else [*found, (rate, step, step)]
        )
    return found


@pytest.mark.parametrize(
    ("text", "steps", "start", "expected"),
    [
        ("0.005", 10, 0, [(0.005, 1, 10)]),
        (GUIDE, 2000, 600, [(0.001, 601, 1000), (0.004, 1001, 2000)]),
        (GUIDE, 2000, 1000, [(0.004, 1001, 2000)]),
        ("0.005:500, 0.001:1000", 2000, 0, [(0.005, 1, 500), (0.001, 501, 2000)]),  # A1111 ends at 1000
        ("0.1:100, 0.2", 100, 0, [(0.1, 1, 100)]),  # A1111 runs one step more
        ("0.1:100,0.2:50,0.3", 200, 0, [(0.1, 1, 100), (0.3, 101, 200)]),  # A1111 gives 0.2 one step
        ("0.1:150, 0.2", 100, 0, [(0.1, 1, 100)]),
        ("0.1:-1, 0.2", 100, 0, [(0.1, 1, 100)]),
        ("0.1:0, 0.2", 100, 0, [(0.2, 1, 100)]),
        ("1e-3:5,", 10, 0, [(0.001, 1, 10)]),  # A1111 ends at 5
        ("0.1:5", 10, 5, [(0.1, 6, 10)]),  # A1111 refuses it: the last rate holds to the end here
    ],
)
def test_the_golden_table_of_a1111_in_steps_from_1(
    text: str, steps: int, start: int, expected: list[tuple[float, int, int]]
) -> None:
    """Reference a1111 §5, without its overshoot and its early end; every step of a run has a rate."""
    assert steps_from(text, steps, start) == expected


@pytest.mark.parametrize("text", ["", " , ", "abc", "0.1:1e3", "0.1:2:3, 0.5"])
def test_the_errors_of_the_golden_table_and_a_second_colon_are_errors(text: str) -> None:
    """A1111 reads the last one as 0.1 to the end; a malformed rate is an error here."""
    with pytest.raises(InputError):
        parse_rates(text, 10, "absolute")


def test_an_absolute_count_that_is_already_passed_is_skipped_and_said() -> None:
    assert "rate-skipped" in codes(parse_rates("0.01:100, 0.02:50, 0.03", 200, "absolute"))


@pytest.mark.parametrize("text", ["", "  ", " , ", ",,"])
def test_no_rate_at_all_is_an_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rates(text, 10)
    assert caught.value.code == "rate-empty"


@pytest.mark.parametrize(
    "text",
    [
        "-0.005",
        "0",
        "0.0:5, 0.1",
        "nan",
        "inf",
        "-inf",
        "abc",
        "0.005:",
        ":500",
        "0.1:1e3",
        "0.1:2:3",
        "0.1:2.5",
        "1 2",
    ],
)
@pytest.mark.parametrize("reading", ["duration", "absolute"])
def test_negative_zero_endless_and_malformed_rates_are_errors(text: str, reading: Reading) -> None:
    with pytest.raises(InputError) as caught:
        parse_rates(text, 10, reading)
    assert caught.value.code == "rate-malformed"
    assert caught.value.hint


@pytest.mark.parametrize("text", ["0.005:0, 0.001", "0.005:-1", "0.005:-7, 0.001"])
def test_a_count_of_further_steps_must_be_above_zero(text: str) -> None:
    with pytest.raises(InputError, match="step count above zero"):
        parse_rates(text, 10, "duration")


def test_an_absolute_text_whose_every_count_is_passed_leaves_no_rate() -> None:
    with pytest.raises(InputError) as caught:
        parse_rates("0.005:0", 10, "absolute")
    assert caught.value.code == "rate-empty"


def test_an_error_names_the_key_and_the_piece() -> None:
    with pytest.raises(InputError, match=r"training\.clip_schedule.*'abc'.*'abc:5'"):
        parse_rates("0.1:3, abc:5", 10, key="training.clip_schedule")


@pytest.mark.parametrize(("text", "warned"), [("0.1", True), ("0.0999", False), ("0.005:5, 0.5", True)])
def test_a_rate_of_a_tenth_and_above_is_a_warning(text: str, warned: bool) -> None:
    assert ("rate-high" in codes(parse_rates(text, 10))) is warned


def test_a_high_clipping_threshold_is_no_warning() -> None:
    assert parse_rates("0.1", 10, key="training.clip_schedule").warnings == ()


@pytest.mark.parametrize("text", ["0.005:3,0.001", "0.005:3 , 0.001", " 0.005 : 3, 0.001 ,", "5e-3:3,,1e-3"])
def test_spaces_exponents_and_empty_pieces_do_not_matter(text: str) -> None:
    assert spans(text, 10) == [(0.005, 1, 3), (0.001, 4, 10)]


def test_the_plan_knows_the_rate_of_every_step() -> None:
    plan = parse_rates("0.005:2, 0.001:2, 0.004", 6)
    assert [plan.rate_at(step) for step in range(1, 9)] == [0.005, 0.005, 0.001, 0.001, *[0.004] * 4]


def test_the_plan_in_words_gives_each_rate_and_its_steps() -> None:
    assert parse_rates(GUIDE, 2000).in_words() == "0.005 for 1–500, 0.001 for 501–1500, 0.004 for 1501–2000"


@pytest.mark.parametrize(
    ("old", "new", "step", "reading", "text"),
    [
        ("0.005", "0.001", 310, "duration", "0.005:310, 0.001"),
        ("0.005", "0.001", 310, "absolute", "0.005:310, 0.001"),
        ("0.005", "0.001", 0, "duration", "0.001"),
        ("0.005:500, 0.001", "0.004", 700, "duration", "0.005:500, 0.001:200, 0.004"),
        ("0.005:500, 0.001", "0.004", 700, "absolute", "0.005:500, 0.001:700, 0.004"),
        ("0.005:500, 0.001", "0.002:800, 0.0001", 300, "duration", "0.005:300, 0.002:500, 0.0001"),
        ("0.005:500, 0.001", "0.002:100, 0.0001", 300, "duration", "0.005:300, 0.0001"),
        ("0.005:310, 0.001", "0.005", 310, "duration", "0.005"),
        ("1e-5", "2.5e-6", 1, "duration", "1e-05:1, 2.5e-06"),
    ],
)
def test_a_rate_changed_on_the_way_is_one_text_that_tells_both(
    old: str, new: str, step: int, reading: Reading, text: str
) -> None:
    assert changed_from(old, new, step, reading) == text
    whole, before, after = (parse_rates(t, 5000, reading) for t in (text, old, new))
    for at in range(1, 1500):
        assert whole.rate_at(at) == (before if at <= step else after).rate_at(at)


@pytest.mark.parametrize("text", ["0.005, foo:10", "0.005, 0.001:x", "0.005:-1, foo"])
def test_a_rate_that_is_none_is_an_error_also_where_it_would_never_be_used(text: str) -> None:
    with pytest.raises(InputError, match="is not a"):
        parse_rates(text, 100, "absolute")


def test_a_decimal_comma_is_told_as_one() -> None:
    with pytest.raises(InputError, match="'0,005' has a comma where a number has its point"):
        parse_rates("0,005", 100)
